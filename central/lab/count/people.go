package count

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Numbers of central's formats.
const (
	evidenceBound, evidenceCard, evidencePIN = 2, 3, 4
	practice                                 = 3 // hierarchy of every card of the tray
)

// subject is a pseudonym as central's tables have it.
type subject struct {
	person   int64
	sector   string
	keyEpoch int64
	ppid     string
	fault    string // why it does not open in its place
}

// readSubjects opens every pseudonym with the practice key.
func readSubjects(ctx context.Context, db *sql.DB, key []byte) (map[int64]subject, error) {
	rows, err := db.QueryContext(ctx, "SELECT row, person, sector, key_epoch, ppid_sealed FROM subjects")
	if err != nil {
		return nil, fmt.Errorf("reading central's pseudonyms: %w", err)
	}
	defer rows.Close()
	all := map[int64]subject{}
	for rows.Next() {
		var row int64
		var s subject
		var sealed []byte
		if err := rows.Scan(&row, &s.person, &s.sector, &s.keyEpoch, &sealed); err != nil {
			return nil, fmt.Errorf("reading central's pseudonyms: %w", err)
		}
		place := append(binary.BigEndian.AppendUint64(nil, uint64(s.person)), s.sector...) //nolint:gosec // as stored
		plain, err := open(key, "subjects.ppid", place, sealed)
		if err != nil {
			s.fault = err.Error()
		}
		s.ppid = string(plain)
		all[row] = s
	}
	return all, rows.Err()
}

// humans says whose a serial is, by the tray's ledger: cards that it laid for one person, and those that renewals gave them.
type humans struct{ bySerial, byCard map[string]string }

func newHumans() humans { return humans{map[string]string{}, map[string]string{}} }

// add takes a line of the ledger. Two cards that show one certificate are of one human, as far as central can know.
func (h humans) add(l line) {
	if l.Serial == "" || l.Person == "" {
		return
	}
	card, serial := h.byCard[l.Person], h.bySerial[l.Serial]
	who := cmp.Or(card, serial, l.Person)
	h.byCard[l.Person], h.bySerial[l.Serial] = who, who
	if card == "" || serial == "" || card == serial {
		return
	}
	for _, m := range []map[string]string{h.byCard, h.bySerial} {
		for k, v := range m {
			if v == serial {
				m[k] = who
			}
		}
	}
}

// people checks who got a pseudonym, from the records that were applied, in the order in which they were.
func (r *Result) people(records []found, h humans, keysDir string) error {
	slices.SortStableFunc(records, func(a, b found) int { return cmp.Compare(a.applied, b.applied) })
	c := census{r: r, humans: h, keys: keysDir, enrolled: map[string]*found{}, first: map[string]*found{}, named: map[string]string{}, of: map[string]string{}}
	for i := range records {
		f := &records[i]
		if f.fault == "" && f.content.Enrolment != nil {
			c.enrolled[string(f.tap)] = f // taps that rest on it may have come before it
		}
	}
	for i := range records {
		if err := c.take(&records[i]); err != nil {
			return err
		}
	}
	r.People = len(c.of)
	return nil
}

// census is one walk through the records.
type census struct {
	r        *Result
	humans   humans
	keys     string
	enrolled map[string]*found // by tap
	first    map[string]*found // the proof of the PIN with which somebody became a person, by human
	named    map[string]string // human of each pseudonym
	of       map[string]string // pseudonym of each human and sector
}

func (c *census) take(f *found) error {
	if f.fault != "" {
		return nil // told already
	}
	who := c.humans.bySerial[f.serial]
	accepted := f.final == "accepted"
	if accepted {
		c.proofs(f, who)
	}
	switch s := f.subject; {
	case s == nil && accepted && f.content.Evidence >= evidenceBound:
		c.r.fault("record %s: %s was accepted and has no PPID", f.id, who)
	case s == nil:
	case s.fault != "":
		c.r.fault("record %s: PPID: %s", f.id, s.fault)
	case !accepted:
		c.r.fault("record %s: a PPID on a record that was not accepted", f.id)
	case c.first[who] == nil:
		c.r.fault("record %s: a PPID for %s, who never proved the PIN", f.id, who)
	default:
		return c.name(f, who, *s)
	}
	return nil
}

// proofs verifies what an accepted record says that its card signed. Who is found by a proof of the PIN is a person from there on.
func (c *census) proofs(f *found, who string) {
	switch p := f.content; p.Evidence {
	case evidencePIN:
		if err := p.checkPIN(f.box, f.serial); err != nil {
			c.r.fault("record %s: accepted with a PIN that was not proved: %v", f.id, err)
			return
		}
		c.r.PINs++
		if c.first[who] == nil {
			c.first[who] = f
		}
	case evidenceCard, evidenceBound:
		e := c.enrolled[string(p.enrolment())]
		switch {
		case e == nil || e.final != "accepted":
			c.r.fault("record %s: accepted by a card that no accepted enrolment has bound", f.id)
		case c.humans.bySerial[e.serial] != who:
			c.r.fault("record %s: accepted by the card of %s for %s", f.id, c.humans.bySerial[e.serial], who)
		default:
			if err := p.checkCard(f.box, e.content.Enrolment.Key); err != nil {
				c.r.fault("record %s: accepted by a card that was not proved: %v", f.id, err)
				return
			}
			c.r.Cards++
		}
	}
}

// name wants one pseudonym for each human and sector, one human for each pseudonym, and that to be the one which the keys give.
func (c *census) name(f *found, who string, s subject) error {
	place := who + " " + s.sector
	if old := c.of[place]; old != "" && old != s.ppid {
		c.r.fault("record %s: a second PPID for %s", f.id, who)
	}
	if other := c.named[s.ppid]; other != "" && other != who {
		c.r.fault("record %s: the PPID of %s for %s", f.id, other, who)
	}
	c.of[place], c.named[s.ppid] = cmp.Or(c.of[place], s.ppid), cmp.Or(c.named[s.ppid], who)
	want, err := derive(c.keys, c.first[who].content, s)
	if err != nil {
		return err
	}
	if want != s.ppid {
		c.r.fault("record %s: the PPID of %s is not the one that central's keys give", f.id, who)
	}
	return nil
}

// derive makes the pseudonym once more: handle and PPID are HMAC-SHA-256 of CBOR lists, from the certificate with which somebody proved the
// PIN first.
func derive(keysDir string, first content, s subject) (string, error) {
	handle, err := mac(keysDir, "handle.key", "handle/v1", first.PIN.Verifier, cmp.Or(first.Hierarchy, practice), first.Purpose, first.Serial)
	if err != nil {
		return "", err
	}
	ppid, err := mac(keysDir, fmt.Sprintf("ppid-%d.key", s.keyEpoch), "ppid/v1", s.sector, handle)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(ppid), err
}

func mac(keysDir, name string, parts ...any) ([]byte, error) {
	key, err := os.ReadFile(filepath.Join(keysDir, name))
	if err != nil {
		return nil, fmt.Errorf("reading a practice key: %w", err)
	}
	b, err := cbor.Marshal(parts)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	m.Write(b)
	return m.Sum(nil), nil
}

// kept are the enrolments that central's table has. Each must be of an accepted record that enrols, for whoever got its PPID.
func (r *Result) kept(ctx context.Context, db *sql.DB, records []found) error {
	by := map[string]*found{}
	for i := range records {
		by[string(records[i].tap)] = &records[i]
	}
	rows, err := db.QueryContext(ctx, "SELECT tap, person FROM enrolments")
	if err != nil {
		return fmt.Errorf("reading central's enrolments: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var tap []byte
		var person int64
		if err := rows.Scan(&tap, &person); err != nil {
			return fmt.Errorf("reading central's enrolments: %w", err)
		}
		f := by[string(tap)]
		if f == nil || f.final != "accepted" || f.content.Enrolment == nil {
			r.fault("enrolment of tap %s: no accepted record enrols there", hex.EncodeToString(tap))
		} else if f.subject == nil || f.subject.person != person {
			r.fault("enrolment of tap %s: it stands for another person than its record", hex.EncodeToString(tap))
		}
	}
	return rows.Err()
}
