package world

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Renew puts new certificates on a person's card, as a city office does around the fifth birthday: new serials and keys, the same card
// with its card key and age record. The old ones, if still valid, are revoked as superseded, and the pairs join the old→new table, whose
// file renewals.json is written anew. So is the profile file; the former one stays beside it as profile-before-N.json. Certificates of today's
// cards come from the current generation, those of next cards from theirs.
//
// ErrState for a person whose certificate was not issued here. The ledger is written last: after a crash in between it is as before
// while the profile may be the new one already, and renewing again mends that with the same serials and keys.
func (w *World) Renew(key string, at time.Time) ([]Renewal, error) {
	return w.renew(key, at, false)
}

// Reissue is Renew on a new card (after ten years, a loss or a move): card key, age record, input-assist key and expiry are new as well, so
// that whatever was bound to the old card's key no longer fits. PINs stay as the person likes them.
func (w *World) Reissue(key string, at time.Time) ([]Renewal, error) {
	return w.renew(key, at, true)
}

func (w *World) renew(key string, at time.Time, card bool) ([]Renewal, error) {
	p, err := w.resident(key)
	if err != nil {
		return nil, err
	}
	var made []Renewal
	err = w.change(func(st *state) error {
		made = nil
		count := st.replaced(key)
		if err := w.keepProfile(key, count+1); err != nil {
			return err
		}
		for _, purpose := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
			r, err := w.renewOne(st, p, purpose, fmt.Sprintf("%s-r%d", purpose, count+1), at)
			if err != nil {
				return err
			}
			made = append(made, r...)
		}
		if card {
			st.Cards = append(st.Cards, cardLine{Person: key, At: at.UTC().Truncate(time.Second)})
		}
		w.state = st
		if err := w.writeProfile(p); err != nil {
			return err
		}
		return w.writeRenewals(st)
	})
	return made, err
}

// replaced is how many authentication certificates of a person were renewed.
func (st *state) replaced(key string) int {
	count := 0
	for _, l := range st.Certificates {
		if l.Person == key && l.Replaced && l.Purpose == certid.PurposeAuth.String() {
			count++
		}
	}
	return count
}

// renewOne replaces the current certificate of one purpose, if there is one.
func (w *World) renewOne(st *state, p people.Person, purpose certid.Purpose, use string, at time.Time) ([]Renewal, error) {
	old := currentLine(st, p.Key, purpose)
	if old == nil {
		return nil, nil
	}
	if old.Unlisted {
		return nil, fmt.Errorf("%w: the certificate was not issued by the practice CA", ErrState)
	}
	count := counter(purpose, generationAt(purpose, p, use))
	serial := st.NextSerial[count]
	line, err := w.issue(p, purpose, serial, at, use)
	if err != nil {
		return nil, err
	}
	r := Renewal{N: len(st.Renewals) + 1, Person: p.Key, At: at.UTC().Truncate(time.Second)}
	if r.Old, err = lineID(old.Purpose, old.Serial); err == nil {
		r.New, err = lineID(line.Purpose, line.Serial)
	}
	if err != nil {
		return nil, err
	}
	if old.NotAfter.After(at) && st.revocation(r.Old) == nil {
		st.addRevocation(r.Old, pki.Superseded, at)
	}
	old.Replaced = true
	st.NextSerial[count]++
	st.Renewals = append(st.Renewals, renewalLine{Person: p.Key, Purpose: line.Purpose, Old: old.Serial, New: line.Serial, At: r.At})
	st.Certificates = append(st.Certificates, line)
	return []Renewal{r}, nil
}

func currentLine(st *state, key string, purpose certid.Purpose) *certLine {
	for i := range st.Certificates {
		if l := &st.Certificates[i]; l.Person == key && l.Purpose == purpose.String() && !l.Replaced {
			return l
		}
	}
	return nil
}

// keepProfile puts a copy of the profile aside. One that is there is from a renewal that was cut off, and is the true former one.
func (w *World) keepProfile(key string, n int) error {
	path := filepath.Join(w.dir, "people", key, fmt.Sprintf("profile-before-%d.json", n))
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	b, err := os.ReadFile(w.profilePath(key))
	if err != nil {
		return fmt.Errorf("reading card profile: %w", err)
	}
	return writeFile(path, b)
}
