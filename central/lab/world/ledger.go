package world

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Revoke puts a certificate on the list for good; a hold turns into a revocation. ErrUnknown, or ErrState if it is revoked already.
func (w *World) Revoke(id certid.CertID, reason pki.Reason, at time.Time) error {
	if !reason.Valid() || reason == pki.CertificateHold {
		return fmt.Errorf("%w: %s is no reason to revoke for good", ErrState, reason)
	}
	return w.change(func(st *state) error {
		if err := st.listed(id); err != nil {
			return err
		}
		old := st.revocation(id)
		if old == nil {
			st.addRevocation(id, reason, at)
			return nil
		}
		if old.Reason != pki.CertificateHold {
			return fmt.Errorf("%w: revoked already", ErrState)
		}
		old.Reason, old.At = reason, at.UTC().Truncate(time.Second)
		return nil
	})
}

// Hold suspends a certificate (certificateHold). ErrUnknown, or ErrState if it is suspended or revoked.
func (w *World) Hold(id certid.CertID, at time.Time) error {
	return w.change(func(st *state) error {
		if err := st.listed(id); err != nil {
			return err
		}
		if st.revocation(id) != nil {
			return fmt.Errorf("%w: revoked or on hold already", ErrState)
		}
		st.addRevocation(id, pki.CertificateHold, at)
		return nil
	})
}

// Unhold ends a suspension: the entry disappears from the next list. ErrUnknown, or ErrState if there is none.
func (w *World) Unhold(id certid.CertID, at time.Time) error {
	return w.change(func(st *state) error {
		if err := st.listed(id); err != nil {
			return err
		}
		r := st.revocation(id)
		if r == nil || r.Reason != pki.CertificateHold {
			return fmt.Errorf("%w: not on hold", ErrState)
		}
		end := at.UTC().Truncate(time.Second)
		r.Lifted = &end
		return nil
	})
}

// listed asks for a certificate that the practice CA issued.
func (st *state) listed(id certid.CertID) error {
	if c := st.certificate(id); c == nil || c.Unlisted {
		return fmt.Errorf("%w: no such certificate issued in %s", ErrUnknown, id.Scope)
	}
	return nil
}

// Status is what the responder answers for a serial under one generation's key, as of now. A certificate of another generation, or one
// that the practice CA did not issue, is not known.
func (w *World) Status(id certid.CertID, gen int) (Status, error) {
	st, err := w.current()
	if err != nil {
		return Status{}, err
	}
	c := st.certificate(id)
	if c == nil || c.Unlisted || c.Generation != gen {
		return Status{}, nil
	}
	r := st.revocation(id)
	if r == nil {
		return Status{Known: true}, nil
	}
	return Status{Known: true, Revoked: true, Reason: r.Reason, At: r.At}, nil
}

// Entries are the lines of a purpose's revocation list at a moment: what stands against certificates that have not expired by then.
// Generation 0 is all generations together.
func (w *World) Entries(p certid.Purpose, gen int, at time.Time) ([]pki.Entry, error) {
	st, err := w.current()
	if err != nil {
		return nil, err
	}
	var out []pki.Entry
	for _, r := range st.Revocations {
		if r.Purpose != p.String() || r.Lifted != nil {
			continue
		}
		id, err := lineID(r.Purpose, r.Serial)
		if err != nil {
			return nil, err
		}
		c := st.certificate(id)
		if c == nil || gen != 0 && c.Generation != gen || !c.NotAfter.After(at) {
			continue
		}
		out = append(out, pki.Entry{Serial: id.Serial.Int(), At: r.At, Reason: r.Reason})
	}
	return out, nil
}

// NextListNumber gives out the next CRL number of a purpose; it never comes twice (RFC 5280 §5.2.3).
func (w *World) NextListNumber(p certid.Purpose) (int64, error) {
	var n int64
	err := w.change(func(st *state) error {
		st.ListNumber[p.String()]++
		n = st.ListNumber[p.String()]
		return nil
	})
	return n, err
}

// Renewals is the old→new table of all purposes, in the order in which lines were added.
func (w *World) Renewals() ([]Renewal, error) {
	st, err := w.current()
	if err != nil {
		return nil, err
	}
	return st.renewals()
}

func (st *state) renewals() ([]Renewal, error) {
	out := make([]Renewal, 0, len(st.Renewals))
	for i, l := range st.Renewals {
		r := Renewal{N: i + 1, Person: l.Person, At: l.At}
		var err error
		if r.Old, err = lineID(l.Purpose, l.Old); err == nil {
			r.New, err = lineID(l.Purpose, l.New)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// RenewalLine is one line of the table as JSON writes it, in renewals.json and in the practice JPKI's answer.
type RenewalLine struct {
	N       int       `json:"n"`       // place in the table, from 1
	Purpose string    `json:"purpose"` // auth or sign
	Old     string    `json:"old"`     // serial, hex
	New     string    `json:"new"`     // serial, hex
	At      time.Time `json:"at"`
}

// Line is the JSON form.
func (r Renewal) Line() RenewalLine {
	return RenewalLine{N: r.N, Purpose: r.Old.Scope.Purpose.String(), Old: hexSerial(r.Old.Serial), New: hexSerial(r.New.Serial), At: r.At}
}

// writeRenewals writes the table as a file, {"renewals": [line]}.
func (w *World) writeRenewals(st *state) error {
	all, err := st.renewals()
	if err != nil {
		return err
	}
	lines := make([]RenewalLine, 0, len(all))
	for _, r := range all {
		lines = append(lines, r.Line())
	}
	b, err := json.MarshalIndent(map[string]any{"renewals": lines}, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the old-to-new table: %w", err)
	}
	return writeFile(filepath.Join(w.dir, "renewals.json"), append(b, '\n'))
}
