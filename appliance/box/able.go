package box

import (
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// able says what goes now. It promises nothing about a single card.
func (b *Box) able(s localapi.Status) []localapi.Ability {
	r, _, ruled := b.desired.For(s.Service.ID)
	f := facts{s: s, rule: r, ruled: ruled}
	switch {
	case s.Keys.State != localapi.KeysOpen:
		f.closed = record.ReasonRosterLocked
	case b.counter.Unreadable():
		f.closed = record.ReasonRosterUnreadable
	}
	why := map[localapi.Capability]record.Reason{
		localapi.CanRecord: 0, localapi.CanPIN: f.pin(), localapi.CanTap: f.tap(), localapi.CanEnrol: f.remembers(),
		localapi.CanLink: f.remembers(), localapi.CanAccept: f.accept(), localapi.CanSettle: 0, localapi.CanCorrect: 0,
	}
	all := make([]localapi.Ability, 0, len(why))
	for _, c := range localapi.Capabilities() {
		a := localapi.Ability{What: c, Why: why[c]}
		a.OK = a.Why == 0 && (s.Problem == "" || c == localapi.CanSettle || c == localapi.CanCorrect) && (c != localapi.CanSettle || s.Line.Up)
		if c == localapi.CanTap && f.needsPIN() {
			continue // the service never takes one
		}
		all = append(all, a)
	}
	return all
}

// facts are what an ability rests on.
type facts struct {
	s      localapi.Status
	rule   rule.Rule
	ruled  bool
	closed record.Reason // why nobody can be looked up; 0 if they can
}

func (f facts) needsPIN() bool { return f.ruled && f.rule.Evidence == record.EvidencePIN }

// pin is why no card could be served by its PIN.
func (f facts) pin() record.Reason {
	switch {
	case !f.ruled:
		return record.ReasonNoRule
	case f.rule.SignIn && f.s.Staff == nil:
		return record.ReasonNobodySignedIn
	case f.absent() && f.rule.TooOld == rule.TooOldRefuse:
		return record.ReasonListAbsent
	case f.tooOld():
		return record.ReasonListTooOld
	default:
		return 0
	}
}

// tap is why no card could be served without it.
func (f facts) tap() record.Reason {
	if r := f.pin(); r != 0 {
		return r
	}
	if f.rule.Evidence == record.EvidenceCertificate {
		return 0
	}
	return f.closed
}

// remembers is why nothing could be kept of a person.
func (f facts) remembers() record.Reason {
	if r := f.pin(); r != 0 {
		return r
	}
	return f.closed
}

// accept is why every verdict would be provisional at best.
func (f facts) accept() record.Reason {
	switch r := f.pin(); {
	case r != 0:
		return r
	case f.absent():
		return record.ReasonListMissing
	case f.age() > time.Duration(f.rule.ListFull)*time.Second:
		return record.ReasonListOld
	case f.s.Clock.Confidence < record.ConfidenceFloor,
		f.rule.Basis == record.BasisArt384 && f.s.Clock.Confidence < record.ConfidenceChecked:
		return record.ReasonClockPoor
	default:
		return 0
	}
}

// absent says that there is no list, or one from the future, which is as good as none.
func (f facts) absent() bool { return f.s.List.ThisUpdate.IsZero() || f.age() < -gate.Ahead }

func (f facts) tooOld() bool {
	return f.age() > time.Duration(f.rule.ListProvisional)*time.Second && f.rule.TooOld == rule.TooOldRefuse
}

func (f facts) age() time.Duration { return time.Duration(f.s.List.AgeSeconds) * time.Second }
