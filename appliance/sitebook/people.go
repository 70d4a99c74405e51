package sitebook

import (
	"context"
	"io"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// Roster is what central says of the people of this site. Nothing here waits for a network. An error says that nobody can be looked up,
// as while the site's keys are locked.
type Roster interface {
	// Find looks up who has enrolled with a verifier by the certificate that they show now.
	Find(v record.VerifierID, id certid.CertID) (roster.Entry, bool, error)
	// ByTap looks up whom a tap enrolled.
	ByTap(tap record.TapID) (roster.Entry, bool, error)
	// ByPPID looks up who has a PPID, in the sector of whatever service.
	ByPPID(ppid string) (roster.Entry, bool, error)
	// ByNumber looks up who has a service's own number.
	ByNumber(service record.ServiceID, number string) (roster.Entry, bool, error)
	// TellsOf reports whether all of it can be looked through, and tells of a box's final verdict.
	TellsOf(box record.BoxID, v rule.Version) (bool, error)
}

// Final is central's last word on the record of a tap.
type Final struct {
	Version rule.Version // under which it came
	Verdict record.Verdict
}

// People is the book and central's roster together: what the box knows of somebody now. Of a person, and of a number, whatever was done
// here goes before central's word until central has settled it: until there is a final verdict on it and a roster that tells of that verdict.
// Whether it is still the latest word on somebody is then central's to say.
type People struct {
	Book   *Book
	Roster Roster
	Box    record.BoxID // this one
	// Final finds the final verdict on a tap of this box; false while there is none.
	Final func(ctx context.Context, tap record.TapID) (Final, bool, error)
}

// Source says where somebody is known from.
type Source uint8

// Sources. The zero value is nowhere.
const (
	Nowhere Source = 0
	Central Source = 1 // on central's roster
	Here    Source = 2 // enrolled here; central has not confirmed it
)

// Known is what is known of whoever shows a certificate. It prints as REDACTED.
type Known struct {
	Person
	Entry  roster.Entry // zero if Source is Nowhere
	Source Source
}

// Find looks up a certificate. Somebody who is not enrolled is found as nothing but the certificate. Errors: localapi.ErrLocked, or that of
// the roster.
func (p People) Find(ctx context.Context, v record.VerifierID, id certid.CertID) (Known, error) {
	e, ok, err := p.Book.Enrolled(ctx, v, id)
	if err != nil {
		return Known{}, err
	}
	if ok {
		return Known{Person: Enrolled(e), Entry: e, Source: Here}, nil
	}
	e, ok, err = p.Roster.Find(v, id)
	if err != nil {
		return Known{}, err
	}
	if ok {
		return Known{Person: Enrolled(e), Entry: e, Source: Central}, nil
	}
	return Known{Person: PersonOf(v, id, record.TapID{})}, nil
}

// Used is Book.Used.
func (p People) Used(ctx context.Context, service record.ServiceID, who Person, before time.Time) (time.Time, error) {
	return p.Book.Used(ctx, service, who, before)
}

// Number is the number by which a service knows somebody; empty if by none. Errors as Find.
func (p People) Number(ctx context.Context, service record.ServiceID, who Known) (string, error) {
	number, known, err := p.Book.Number(ctx, service, who.Person)
	switch {
	case err != nil, known == Linked:
		return number, err
	case known == Unlinked:
		return "", nil
	case who.Source != Here:
		return who.Entry.Of(service).Number, nil
	}
	// Enrolled here anew: central may know the number by an earlier enrolment.
	id, err := who.Entry.ID()
	if err != nil {
		return "", err
	}
	e, _, err := p.Roster.Find(who.Verifier, id)
	return e.Of(service).Number, err
}

// ByNumber is whose number it is; false if nobody's. Errors as Find.
func (p People) ByNumber(ctx context.Context, service record.ServiceID, number string) (Person, bool, error) {
	who, known, err := p.Book.ByNumber(ctx, service, number)
	if err != nil || known == Linked {
		return who, known == Linked, err
	}
	e, ok, err := p.Roster.ByNumber(service, number) // what was taken back here from one may be another's since
	if err != nil || !ok {
		return Person{}, false, err
	}
	who = Enrolled(e)
	if _, known, err := p.Book.Number(ctx, service, who); err != nil || known != LinkUnknown {
		return Person{}, false, err // taken back here, or another was linked since
	}
	return who, true, nil
}

// Settle lets go of what central has decided about and its roster tells of; it is called when a newer roster, or a final verdict, came. Errors as
// Find, or that of Final.
func (p People) Settle(ctx context.Context) error {
	known := map[record.TapID]fate{}
	return p.Book.settle(ctx, func(tap record.TapID) (fate, error) {
		if f, ok := known[tap]; ok {
			return f, nil
		}
		f, err := p.fate(ctx, tap)
		known[tap] = f
		return f, err
	}, p.told)
}

// told reports whether the roster says anything of the number that was taken over, or of the person's: an import has no record by which central
// could settle it.
func (p People) told(e *entry) (bool, error) {
	who, ok, err := p.Roster.ByTap(e.row.Person.Enrolled)
	if err != nil || ok && !who.Of(e.service).Linked.IsZero() {
		return err == nil, err
	}
	_, ok, err = p.Roster.ByNumber(e.service, e.row.Number)
	return ok, err
}

// fate is what has become of the record of a tap at central.
func (p People) fate(ctx context.Context, tap record.TapID) (fate, error) {
	f, ok, err := p.Final(ctx, tap)
	switch {
	case err != nil || !ok:
		return waits, err
	case f.Verdict == record.VerdictRefused:
		return refused, nil
	}
	told, err := p.Roster.TellsOf(p.Box, f.Version)
	if err != nil || !told {
		return waits, err
	}
	return takenIn, nil
}

// Import is Book.Import with central's roster.
func (p People) Import(ctx context.Context, r io.Reader, how localapi.Import) (localapi.ImportReport, error) {
	return p.Book.Import(ctx, r, how, names{p.Roster})
}

// names is central's roster for an import.
type names struct{ roster Roster }

// ByPPID is the roster's, if the PPID is that of the service's sector.
func (n names) ByPPID(service record.ServiceID, ppid string) (Person, bool, error) {
	e, ok, err := n.roster.ByPPID(ppid)
	if err != nil || !ok || e.Of(service).PPID != ppid {
		return Person{}, false, err
	}
	return Enrolled(e), true, nil
}

// ByNumber is the roster's.
func (n names) ByNumber(service record.ServiceID, number string) (Person, bool, error) {
	e, ok, err := n.roster.ByNumber(service, number)
	if err != nil || !ok {
		return Person{}, false, err
	}
	return Enrolled(e), true, nil
}

// Number is the roster's.
func (n names) Number(service record.ServiceID, who Person) (string, error) {
	e, _, err := n.roster.ByTap(who.Enrolled)
	return e.Of(service).Number, err
}
