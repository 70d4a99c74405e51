package person

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// maxRenewals bounds a walk from one certificate to those before and after it: a certificate lives five years, in future ten, so
// a life has fewer.
const maxRenewals = 64

// maxPair bounds a sealed pair, in octets: two serials of 20 octets with their frame.
const maxPair = 128

// ErrContradicts says that a renewal cannot be true together with another that is known: the old certificate was renewed to another
// one, the new one took the place of another, or the two go round in a circle.
var ErrContradicts = errors.New("renewal contradicts another one")

// Renewal says that New took Old's place. Both are of one scope.
type Renewal struct{ Old, New certid.CertID }

// Outcome is what became of a renewal.
type Outcome struct {
	News      bool             // it was not known before
	Linked    int              // certificates that lead to a person since
	Conflicts []store.Conflict // persons that are found to be two, and were not before
	Sites     []record.SiteID  // whose roster changed
}

// pair is a renewal as it is sealed.
type pair struct {
	Old []byte `cbor:"1,keyasint"`
	New []byte `cbor:"2,keyasint"`
}

func (p *People) renewalIndex(id certid.CertID) []byte {
	return p.rows.Index(labelRenewal(id.Scope), id.Serial.Bytes())
}

// renewals lists what a certificate took the place of, the nearest first, and what took its place, the nearest first.
func (p *People) renewals(tx store.Tx, id certid.CertID) (before, after []certid.CertID, err error) {
	before, err = p.walk(tx, id, store.Tx.RenewalTo, func(r Renewal) certid.CertID { return r.Old })
	if err != nil {
		return nil, nil, err
	}
	after, err = p.walk(tx, id, store.Tx.RenewalOf, func(r Renewal) certid.CertID { return r.New })
	return before, after, err
}

// SameLine reports whether one certificate took the other's place, directly or over others, or both are the same.
func (p *People) SameLine(tx store.Tx, a, b certid.CertID) (bool, error) {
	before, after, err := p.renewals(tx, a)
	return a == b || slices.Contains(before, b) || slices.Contains(after, b), err
}

func (p *People) walk(tx store.Tx, at certid.CertID, step func(store.Tx, []byte) (store.Renewal, error),
	next func(Renewal) certid.CertID,
) (ids []certid.CertID, err error) {
	for range maxRenewals {
		row, err := step(tx, p.renewalIndex(at))
		if errors.Is(err, store.ErrNone) {
			break
		}
		if err != nil {
			return nil, err
		}
		r, err := p.open(row, at.Scope)
		if err != nil {
			return nil, err
		}
		at = next(r)
		ids = append(ids, at)
	}
	return ids, nil
}

func (p *People) open(row store.Renewal, s certid.Scope) (Renewal, error) {
	b, err := p.rows.Open(labelPair, row.Old, row.Pair)
	if err != nil {
		return Renewal{}, fmt.Errorf("opening a renewal: %w", errors.Join(err, store.ErrDamaged))
	}
	var both pair
	if err := canon.Decode(b, &both, maxPair); err != nil {
		return Renewal{}, fmt.Errorf("reading a renewal: %w", errors.Join(err, store.ErrDamaged))
	}
	older, errOld := certid.ParseSerial(both.Old)
	newer, errNew := certid.ParseSerial(both.New)
	return Renewal{certid.CertID{Scope: s, Serial: older}, certid.CertID{Scope: s, Serial: newer}}, errors.Join(errOld, errNew)
}

// Renew keeps a renewal, lets its certificates lead to the person who was met with one of them, and notes that the rosters change on which
// that person stands. A renewal that is known, or was withdrawn, does nothing. ErrContradicts; nothing was changed then.
func (p *People) Renew(tx store.Tx, r Renewal, now time.Time) (out Outcome, err error) {
	known, err := p.keep(tx, r, now)
	if err != nil || known {
		return out, err
	}
	out.News = true
	before, after, err := p.renewals(tx, r.New)
	if err != nil {
		return out, err
	}
	slices.Reverse(before)
	line := append(append(before, r.New), after...) // oldest first
	for _, id := range line {
		if _, err := tx.Awaken(p.Awaited(id)); err != nil {
			return out, err
		}
	}
	verifiers, err := tx.Verifiers()
	if err != nil {
		return out, err
	}
	for _, v := range verifiers {
		if err := p.join(tx, v, line, now, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// keep reports whether the renewal was known.
func (p *People) keep(tx store.Tx, r Renewal, now time.Time) (known bool, err error) {
	row := store.Renewal{Old: p.renewalIndex(r.Old), New: p.renewalIndex(r.New), Learned: now}
	if gone, err := tx.Withdrawn(row.Old, row.New); err != nil || gone {
		return true, err // an operator took it back: it does not come again by itself
	}
	if is, err := tx.RenewalOf(row.Old); err == nil {
		if slices.Equal(is.New, row.New) {
			return true, nil
		}
		return false, ErrContradicts
	} else if !errors.Is(err, store.ErrNone) {
		return false, err
	}
	earlier, _, err := p.renewals(tx, r.Old)
	if err != nil {
		return false, err
	}
	if r.Old.Scope != r.New.Scope || r.Old.Serial == r.New.Serial || slices.Contains(earlier, r.New) {
		return false, ErrContradicts
	}
	plain, err := canon.Encode(pair{r.Old.Serial.Bytes(), r.New.Serial.Bytes()})
	if err != nil {
		return false, err
	}
	row.Pair = p.rows.Seal(labelPair, row.Old, plain)
	if err = tx.AddRenewal(row); errors.Is(err, store.ErrTaken) {
		return false, ErrContradicts
	}
	return false, err
}

// join lets a line of certificates, each the next one's predecessor, lead to the one person whom a verifier met with any of them.
// Where it met two, nothing is moved.
func (p *People) join(tx store.Tx, v record.VerifierID, line []certid.CertID, now time.Time, out *Outcome) error {
	var met []int64
	var unmet [][]byte
	for _, id := range line {
		index := p.Index(v, id)
		who, err := tx.PersonBySerial(index)
		switch {
		case errors.Is(err, store.ErrNone):
			unmet = append(unmet, index)
		case err != nil:
			return err
		case !slices.Contains(met, who.Row):
			met = append(met, who.Row)
		}
	}
	for _, person := range met {
		if err := raise(tx, person, out); err != nil {
			return err
		}
	}
	switch len(met) {
	case 0:
		return nil
	case 1:
		out.Linked += len(unmet)
		if err := linkAll(tx, unmet, met[0]); err != nil {
			return err
		}
		who, err := tx.Person(met[0])
		if err != nil {
			return err
		}
		sites, err := p.arrived(tx, who, line, now)
		out.Sites = append(out.Sites, sites...)
		return err
	default:
		return conflict(tx, v, met, now, out)
	}
}

func linkAll(tx store.Tx, unmet [][]byte, person int64) error {
	for _, index := range unmet {
		if err := tx.LinkSerial(index, store.SerialLink{Person: person, Way: store.WayRenewal}); err != nil {
			return err
		}
	}
	return nil
}

func conflict(tx store.Tx, v record.VerifierID, met []int64, now time.Time, out *Outcome) error {
	for _, other := range met[1:] {
		c := store.Conflict{Kind: store.ConflictTwo, Verifier: v, Person: met[0], Other: other, At: now}
		news, err := tx.AddConflict(c)
		if err != nil {
			return err
		}
		if news {
			out.Conflicts = append(out.Conflicts, c)
		}
	}
	return nil
}

// raise notes that the rosters on which a person stands have changed.
func raise(tx store.Tx, person int64, out *Outcome) error {
	all, err := tx.CurrentEnrolments(person)
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := tx.ChangeRoster(e.Site, e.Tap); err != nil {
			return err
		}
		if !slices.Contains(out.Sites, e.Site) {
			out.Sites = append(out.Sites, e.Site)
		}
	}
	return nil
}
