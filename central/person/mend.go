package person

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// What an operator did, as it stands in the store.
const (
	actMerge    = "persons merged"
	actWithdraw = "renewal withdrawn"
)

// Errors of Merge and Withdraw. Nothing was changed then.
var (
	// ErrStranger says that a number is no person's, or one's who was merged before.
	ErrStranger = errors.New("no such person, or merged before")
	// ErrVerifiers says that the two are of different verifiers, who share nobody.
	ErrVerifiers = errors.New("the two are persons of different verifiers")
	// ErrPPIDs says that both have a pseudonym in one sector, so that the services must be told which one ends.
	ErrPPIDs = errors.New("both have a pseudonym in one sector; say with --keep which person's goes on, and tell its services")
	// ErrNoRenewal says that no such renewal is known.
	ErrNoRenewal = errors.New("no such renewal is known")
)

// Mended is what an operator's step changed.
type Mended struct {
	Kept, Gone int64 // of a merge: the person who stays, and the other
	Moved      int   // pseudonyms that go on with the person who stays
	Ended      int   // pseudonyms that nobody gets any more
	Cut        int   // of a withdrawal: certificates that lead to nobody since
	Enrolments int   // enrolments that are not current any more
	Sites      []record.SiteID
}

// Merge makes one person of two who are one. The older stays, unless keep is the other's number, with handle and pseudonyms; certificates and
// enrolments of the other lead to them from now on, and pseudonyms too where the person who stays has none in the sector. Where both have
// one, keep must be said: the other's ends. What was told of past taps stays. reseal closes a pseudonym for another person.
// ErrStranger, ErrVerifiers, ErrPPIDs.
func (p *People) Merge(tx store.Tx, a, b, keep int64, reseal func(store.Subject, int64) ([]byte, error), now time.Time) (m Mended, err error) {
	kept, gone, err := bothOf(tx, a, b, keep)
	if err != nil {
		return m, err
	}
	m.Kept, m.Gone = kept.Row, gone.Row
	if err := mergeSubjects(tx, keep != 0, reseal, &m); err != nil {
		return m, err
	}
	told, err := p.mergeNumbers(tx, m.Gone, m.Kept, now)
	if err != nil {
		return m, err
	}
	if err := p.mergeEnrolments(tx, &m); err != nil {
		return m, err
	}
	m.Sites = append(m.Sites, told...)
	if err := tx.MergePerson(gone.Row, kept.Row, now); err != nil {
		return m, err
	}
	return m, tx.AddAct(store.Act{What: actMerge, At: now, Detail: fmt.Sprintf(
		"person %d into %d; pseudonyms: %d moved, %d ended; enrolments superseded: %d", m.Gone, m.Kept, m.Moved, m.Ended, m.Enrolments)})
}

// bothOf finds both, the one who stays first.
func bothOf(tx store.Tx, a, b, keep int64) (kept, gone store.Person, err error) {
	if a == b || keep != 0 && keep != a && keep != b {
		return kept, gone, ErrStranger
	}
	both := make([]store.Person, 0, 2)
	for _, row := range []int64{a, b} {
		who, err := tx.Person(row)
		if errors.Is(err, store.ErrNone) || err == nil && who.Merged != 0 {
			return kept, gone, fmt.Errorf("%w: %d", ErrStranger, row)
		}
		if err != nil {
			return kept, gone, err
		}
		both = append(both, who)
	}
	if both[0].Verifier != both[1].Verifier {
		return kept, gone, ErrVerifiers
	}
	younger := both[1].Made.Before(both[0].Made) || both[1].Made.Equal(both[0].Made) && both[1].Row < both[0].Row
	if keep == b || keep == 0 && younger {
		slices.Reverse(both)
	}
	return both[0], both[1], nil
}

func mergeSubjects(tx store.Tx, forced bool, reseal func(store.Subject, int64) ([]byte, error), m *Mended) error {
	all, err := tx.Subjects(m.Gone)
	if err != nil {
		return err
	}
	for _, s := range all {
		_, err := tx.Subject(m.Kept, s.Sector)
		switch {
		case err == nil && !forced:
			return fmt.Errorf("%w: %s", ErrPPIDs, s.Sector)
		case err == nil:
			m.Ended++
			continue
		case !errors.Is(err, store.ErrNone):
			return err
		}
		sealed, err := reseal(s, m.Kept)
		if err != nil {
			return err
		}
		if err := tx.MoveSubject(s.Row, m.Kept, sealed); err != nil {
			return err
		}
		m.Moved++
	}
	return nil
}

// mergeEnrolments leaves one current enrolment a site, and gives all to the person who stays.
func (p *People) mergeEnrolments(tx store.Tx, m *Mended) error {
	var out Outcome
	for _, who := range []int64{m.Kept, m.Gone} {
		if err := raise(tx, who, &out); err != nil {
			return err
		}
	}
	m.Sites = out.Sites
	kept, err := tx.CurrentEnrolments(m.Kept)
	if err != nil {
		return err
	}
	theirs, err := tx.CurrentEnrolments(m.Gone)
	if err != nil {
		return err
	}
	for _, e := range theirs {
		i := slices.IndexFunc(kept, func(k store.Enrolment) bool { return k.Site == e.Site })
		if i < 0 {
			continue
		}
		loser := e
		if e.Bound && !kept[i].Bound || e.Bound == kept[i].Bound && after(e, kept[i]) {
			loser = kept[i]
		}
		if err := p.supersede(tx, loser); err != nil {
			return err
		}
		m.Enrolments++
	}
	return tx.MoveEnrolments(m.Gone, m.Kept)
}

// Withdraw takes a renewal back that was told and is not true, for good. Certificates that led to a person over it alone lead to nobody any
// more, and begin anew with the next PIN; enrolments that were made with them end. What was told of past taps stays. ErrNoRenewal.
func (p *People) Withdraw(tx store.Tx, r Renewal, now time.Time) (m Mended, err error) {
	older, newer := p.renewalIndex(r.Old), p.renewalIndex(r.New)
	is, err := tx.RenewalOf(older)
	if errors.Is(err, store.ErrNone) || err == nil && !slices.Equal(is.New, newer) {
		return m, ErrNoRenewal
	}
	if err != nil {
		return m, err
	}
	if err := tx.WithdrawRenewal(older, newer, now); err != nil {
		return m, err
	}
	before, _, err := p.renewals(tx, r.Old)
	if err != nil {
		return m, err
	}
	_, after, err := p.renewals(tx, r.New)
	if err != nil {
		return m, err
	}
	before, after = append(before, r.Old), append(after, r.New)
	verifiers, err := tx.Verifiers()
	if err != nil {
		return m, err
	}
	var out Outcome
	for _, v := range verifiers {
		for _, side := range [][]certid.CertID{before, after} {
			if err := p.cut(tx, v, side, &m, &out); err != nil {
				return m, err
			}
		}
	}
	m.Sites = out.Sites
	return m, tx.AddAct(store.Act{What: actWithdraw, At: now, Detail: fmt.Sprintf(
		"renewal learned %s; certificates that lead to nobody since: %d; enrolments ended: %d", is.Learned.Format(time.RFC3339), m.Cut, m.Enrolments)})
}

// cut unlinks one side of a line from persons who did not begin on it, and notes that their rosters, and those of who did, change.
func (p *People) cut(tx store.Tx, v record.VerifierID, side []certid.CertID, m *Mended, out *Outcome) error {
	links := map[certid.CertID]store.SerialLink{}
	var own []int64
	for _, id := range side {
		l, err := tx.LinkOf(p.Index(v, id))
		switch {
		case errors.Is(err, store.ErrNone):
			continue
		case err != nil:
			return err
		case l.Way == store.WayShown:
			own = append(own, l.Person)
		}
		links[id] = l
		if err := raise(tx, l.Person, out); err != nil {
			return err
		}
	}
	for id, l := range links {
		if slices.Contains(own, l.Person) {
			continue
		}
		if err := tx.UnlinkSerial(p.Index(v, id)); err != nil {
			return err
		}
		m.Cut++
		if err := p.endEnrolments(tx, l.Person, id, m); err != nil {
			return err
		}
	}
	return nil
}

// endEnrolments ends those of a person that were made with a certificate which is not theirs.
func (p *People) endEnrolments(tx store.Tx, person int64, with certid.CertID, m *Mended) error {
	all, err := tx.CurrentEnrolments(person)
	if err != nil {
		return err
	}
	for _, e := range all {
		k, err := p.Kept(e)
		if errors.Is(err, store.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		if id, err := k.cert(); err != nil || id != with {
			continue
		}
		if err := p.supersede(tx, e); err != nil {
			return err
		}
		m.Enrolments++
	}
	return nil
}
