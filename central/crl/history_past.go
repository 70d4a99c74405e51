package crl

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// State is what a set says of one serial, and what it rests on.
type State struct {
	Number     rule.Version // of the set
	ThisUpdate time.Time    // of the oldest list in it
	NextUpdate time.Time
	Issuers    [][]byte // certid.KeyIDs of which an absence speaks
	Listed     bool
	Reason     crlset.Reason
	Date       time.Time // when it was revoked; zero time of Unix where sets have no dates
}

// AnswerAt is what the set says as of a time: an entry dated later did not hold yet.
func (s State) AnswerAt(at time.Time) record.Answer {
	switch {
	case !s.Listed || s.Date.After(at):
		return record.AnswerNotRevoked
	case s.Reason == crlset.CertificateHold:
		return record.AnswerOnHold
	default:
		return record.AnswerRevoked
	}
}

// Covers reports whether an absence speaks of the certificates that this key issued.
func (s State) Covers(issuer certid.KeyID) bool {
	return manifest.Head{Issuers: s.Issuers}.Covers(issuer)
}

// told fills in what is said of a serial.
func (s State) told(e crlset.Entry, listed bool) State {
	if s.Listed = listed; listed {
		s.Reason, s.Date = e.Reason, time.Unix(e.Date, 0).UTC()
	}
	return s
}

func stateOf(n rule.Version, this, next int64, issuers [][]byte) State {
	return State{Number: n, ThisUpdate: time.Unix(this, 0).UTC(), NextUpdate: time.Unix(next, 0).UTC(), Issuers: issuers}
}

// Lookup is what the newest set says of a serial. ErrNone if there is no set that can be used, or an error of package crlset.
func (s *Store) Lookup(of certid.Scope, serial certid.Serial) (st State, err error) {
	err = s.search(of, func(p *published, _ *scope) error {
		e, ok, err := p.set.Find(crlset.KeyOf(serial))
		h := p.head
		st = stateOf(h.Number, h.ThisUpdate, h.NextUpdate, h.Issuers).told(e, ok)
		return err
	})
	if err != nil {
		return State{}, err
	}
	return st, nil
}

// Past is what the sets say of a serial about some time: all sets from the one that was in force then up to the newest.
type Past struct {
	Newest State         // what the set in force now says
	Answer record.Answer // the strictest: revoked, on hold, else not revoked
	By     State         // the newest set that gives this answer
	Whole  bool          // the walk reached the set that was in force at the beginning: no older one could say anything else
	// Gap is ErrHistory if some of the sets cannot be told of any more; nil if all were asked.
	Gap error
}

// AsOf is the strictest that the sets say of a serial for any moment from from to to, both included, in seconds. For a moment every set
// counts from the newest whose lists were all made by then (where none was: from the first) up to the newest of all, and in each an
// entry dated at or before that moment. ErrNone if there is no set that can be used, or an error of package crlset.
func (s *Store) AsOf(of certid.Scope, serial certid.Serial, from, to time.Time) (past Past, err error) {
	err = s.search(of, func(p *published, sc *scope) error {
		w := walk{p: p, sc: sc, key: crlset.KeyOf(serial), from: from, to: to}
		past, err = w.back()
		return err
	})
	return past, err
}

// search looks into what is in force while nothing takes it away.
func (s *Store) search(of certid.Scope, look func(*published, *scope) error) error {
	sc, err := s.known(of)
	if err != nil {
		return err
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if sc.pub.set == nil || !sc.pub.believed {
		return fmt.Errorf("%w: no set of %s", ErrNone, of)
	}
	err = look(&sc.pub, sc)
	if faulty(err) && !sc.damaged.Swap(true) {
		s.Log.Error("the revocation set in force is damaged on the disk; it will be made anew from the lists",
			slog.String("scope", of.String()), slog.Any("error", err))
	}
	return err
}

// walk goes from the newest set back to the one in force at a time, and asks each on the way.
type walk struct {
	p        *published
	sc       *scope
	key      crlset.Key
	from, to time.Time
	past     Past
}

// back undoes one step after the other. A set counts until the lists of the next were made, so the walk ends at the first that was in
// force at from. An entry that would have begun only when its set counted no more never did.
func (w *walk) back() (Past, error) {
	e, listed, err := w.p.set.Find(w.key)
	if err != nil {
		return Past{}, err
	}
	h := w.p.head
	w.past.Newest = stateOf(h.Number, h.ThisUpdate, h.NextUpdate, h.Issuers).told(e, listed)
	w.past.By, w.past.Answer = w.past.Newest, record.AnswerNotRevoked
	w.hear(w.past.Newest, math.MaxInt64)
	want, until := h.Number, int64(math.MaxInt64)
	for i, st := range slices.Backward(w.p.steps) {
		if st.Next.Compare(want) > 0 { // one that was begun and never told of
			continue
		}
		if st.Next != want {
			return w.gap("a step is missing")
		}
		w.hear(stateOf(st.Next, st.ThisUpdate, st.NextUpdate, st.Issuers).told(e, listed), until)
		w.past.Whole = st.Newest <= w.from.Unix()
		if w.past.Whole || w.past.Answer == record.AnswerRevoked || st.begins() && i == 0 {
			return w.past, nil
		}
		if st.begins() {
			return w.gap("a set could not be read when the next was made")
		}
		if e, listed, w.past.Gap = w.sc.undo(st, w.key, e, listed); w.past.Gap != nil {
			return w.past, nil
		}
		want, until = st.Base, st.Newest
	}
	return w.gap("its beginning is missing")
}

// hear lets a set speak that counted until a time. With a revocation the walk ends, so whatever is news is stricter.
func (w *walk) hear(s State, until int64) {
	a := s.AnswerAt(w.to)
	if a != record.AnswerNotRevoked && a != w.past.Answer && s.Date.Unix() < until {
		w.past.Answer, w.past.By = a, s
	}
}

// gap ends the walk too early. Nothing is stricter than a revocation, so nothing is missing behind one.
func (w *walk) gap(why string) (Past, error) {
	if w.past.Answer != record.AnswerRevoked {
		w.past.Gap = fmt.Errorf("%w: %s", ErrHistory, why)
	}
	return w.past, nil
}

// undo is what was said of a key before a step.
func (sc *scope) undo(st step, key crlset.Key, e crlset.Entry, listed bool) (crlset.Entry, bool, error) {
	old, had, err := sc.find(st, st.Before, endBefore, key)
	if err != nil || had {
		return old, had, err
	}
	if !listed {
		return e, false, nil
	}
	_, added, err := sc.find(st, st.After, endAfter, key)
	return e, !added, err
}

// find looks for a key in one file of a step.
func (sc *scope) find(st step, c changes, end string, key crlset.Key) (e crlset.Entry, ok bool, err error) {
	if c.Entries == 0 {
		return e, false, nil
	}
	set, done, err := sc.opened.open(st.Next, sc.past(st.Next, end), c)
	if err != nil {
		return e, false, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	e, ok, err = set.Find(key)
	if err := cmp.Or(err, done()); err != nil {
		return e, false, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	return e, ok, nil
}
