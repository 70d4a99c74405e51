//go:build integration

package pcsc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
)

// tear is one moment at which a card is taken away: before its command n, counted from 1, or after it, when the card has done what it
// was told and the answer is lost.
type tear struct {
	procedure
	n, of int
	after bool
}

func (t tear) String() string {
	return fmt.Sprintf("%s, torn at command %d of %d, done: %v", t.name, t.n, t.of, t.after)
}

// fault is the tear on a card that is sent some other commands first.
func (t tear) fault(first int) []string {
	if t.after {
		return []string{fmt.Sprintf("tear-after=%d", first+t.n)}
	}
	return []string{fmt.Sprintf("tear-before=%d", first+t.n)}
}

// chain is tears of one card, one after the other.
type chain struct {
	holder
	path  string // of a card that lies nowhere else
	tears []tear
}

// tears: whenever in whichever procedure on whichever card the card is torn away, the answer is ErrTorn, the card's counters are as
// before, and the next try with the right values succeeds.
func tears(t *testing.T, d *desk) {
	var whole []*chain
	for _, c := range cards {
		if c.who != "tomas" && c.who != "sora" { // whose cards differ in nothing that is torn
			h := d.holder(t, c.who)
			whole = append(whole, &chain{holder: h, path: save(t, h.profile)})
		}
	}
	each(t, d, whole, func(c *chain, s spot) error {
		if err := s.lay(control.InsertRequest{Profile: c.path}); err != nil {
			return err
		}
		for _, p := range everyProcedure {
			err := s.undisturbed(c, p)
			if err != nil && refusesOf(c.Key)[p.name] == nil {
				return fmt.Errorf("%s, undisturbed: %w", p.name, err)
			}
		}
		return nil
	}, func(c *chain) string { return c.Key })
	var all []*chain
	n := 0
	for _, c := range whole {
		n += len(c.tears)
		for part := range slices.Chunk(c.tears, tearsPerCard) {
			all = append(all, &chain{c.holder, save(t, c.profile), part})
		}
	}
	t.Logf("%d tears on %d cards", n, len(all))
	each(t, d, all, func(c *chain, s spot) error { return s.tearEach(c) }, func(c *chain) string { return c.Key })
}

// tearsPerCard makes about twice as many chains as there are readers.
const tearsPerCard = 9

// recorder passes commands to a card and keeps them, without their data.
type recorder struct {
	mynumber.Transmitter
	ins []byte
	say []bool // the command carried a value
}

func (r *recorder) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	r.ins, r.say = append(r.ins, cmd[1]), append(r.say, len(cmd) > 5)
	return r.Transmitter.Transmit(ctx, cmd)
}

// undisturbed adds the moments of a procedure that the card does: before each command, and after each that changes a counter or a PIN.
func (s spot) undisturbed(c *chain, p procedure) error {
	r := new(recorder)
	err := s.connected(func(card *pcsc.Card) error {
		r.Transmitter = card
		return p.run(s.t.Context(), mynumber.New(r, s.desk.options(s.t, nil)), c.holder)
	})
	if err != nil {
		return err
	}
	for i, ins := range r.ins {
		const verify, change = 0x20, 0x24
		c.tears = append(c.tears, tear{p, i + 1, len(r.ins), false})
		if ins == change || ins == verify && r.say[i] {
			c.tears = append(c.tears, tear{p, i + 1, len(r.ins), true})
		}
	}
	return nil
}

// tearEach lays the card for each tear, and once more. With every new laying it first looks whether the last tear left the card as it was,
// and has the procedure done that was torn, by somebody who remembers it.
func (s spot) tearEach(c *chain) error {
	var last tear
	var memory *mynumber.Memory
	var issued map[string]uint8
	for i := range len(c.tears) + 1 {
		req := control.InsertRequest{Profile: c.path}
		if i < len(c.tears) {
			req.Faults = c.tears[i].fault(last.of)
		}
		if err := s.lay(req); err != nil {
			return err
		}
		tries, err := s.tries()
		if issued == nil {
			issued = tries
		}
		if err != nil || !maps.Equal(tries, issued) {
			return fmt.Errorf("%v: tries %v became %v, %w", last, issued, tries, err)
		}
		if i > 0 {
			if sent, err := s.unharmed(last.procedure, c.holder, s.desk.options(s.t, memory), nil); err != nil || sent != last.of {
				return fmt.Errorf("%v, and tried again in %d commands: %w", last, sent, err)
			}
		}
		if i == len(c.tears) {
			return nil
		}
		last, memory = c.tears[i], mynumber.NewMemory()
		if err := s.run(last.procedure, c.holder, s.desk.options(s.t, memory)); !torn(err) {
			return fmt.Errorf("%v: %w, want ErrTorn", last, err)
		}
	}
	return nil
}

// torn reports a card that went away and nothing else.
func torn(err error) bool {
	for _, other := range []error{mynumber.ErrNonsense, mynumber.ErrRefused, mynumber.ErrWrongPIN, pcsc.ErrWorker, pcsc.ErrNoService} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, mynumber.ErrTorn)
}

// lostAnswers: a wrong value whose answer was lost has cost its try, is known for wrong by that, and is not sent again; one that never got
// to the card is not blamed.
func lostAnswers(t *testing.T, d *desk) {
	type lost struct {
		guarded
		path string
		done bool
	}
	h := d.holder(t, "hanako")
	bad := h.mistaken(t, 1)
	var all []lost
	for _, g := range guardeds {
		for _, done := range []bool{true, false} {
			all = append(all, lost{g, save(t, h.profile), done})
		}
	}
	each(t, d, all, func(l lost, s spot) error {
		torn := tear{n: l.value, after: l.done}
		if err := s.lay(control.InsertRequest{Profile: l.path, Faults: torn.fault(0)}); err != nil {
			return err
		}
		o := d.options(t, mynumber.NewMemory())
		if err := s.run(l.procedure, bad, o); !errors.Is(err, mynumber.ErrTorn) {
			return fmt.Errorf("torn at VERIFY: %w, want ErrTorn", err)
		}
		if err := s.lay(control.InsertRequest{Profile: l.path}); err != nil {
			return err
		}
		want := outcome{err: mynumber.ErrWrongPIN, left: l.max - 1, sw: 0x63C0 | uint16(l.max-1), before: l.max, after: l.max - 1}
		same := outcome{err: mynumber.ErrSameWrong, left: l.max - 1, before: l.max - 1, after: l.max - 1}
		if l.done {
			want = same
		}
		return errors.Join(s.ends(l.guarded, bad, o, want), s.ends(l.guarded, bad, o, same),
			s.ends(l.guarded, h, o, outcome{before: l.max - 1, after: l.max}))
	}, func(l lost) string { return fmt.Sprintf("%s, VERIFY seen by the card: %v", l.name, l.done) })
}

// save writes a profile to a file of its own.
func save(t *testing.T, p *vcard.Profile) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "card.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
