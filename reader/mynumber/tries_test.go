package mynumber_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
)

// wrong are values that fit no test card.
func wrong(t testing.TB) values {
	return values{pin(t, "9999"), pin(t, "9998"), pass(t, "WRONG999"), date(t, "19500505")}
}

// verifies counts the commands that carried a value to be verified.
func verifies(sent [][]byte) int {
	n := 0
	for _, cmd := range sent {
		if cmd[1] == 0x20 && len(cmd) > 4 {
			n++
		}
	}
	return n
}

// guarded are the references, each with the procedure that verifies it and nothing else.
var guarded = []struct {
	ref       mynumber.Reference
	counter   string // of the virtual card
	max, keep int    // card.md §1.2 to 1.4, and the defaults
	procedure string
}{
	{mynumber.RefAuthPIN, "jpki/0018", 3, 1, "SignAuth"},
	{mynumber.RefInputPIN, "input/0011", 3, 1, "ReadAttributes"},
	{mynumber.RefPassword, "jpki/001B", 5, 1, "ReadSignCert"},
	{mynumber.RefBirth, "face/0011", 10, 2, "ProveFace"},
	{mynumber.RefInputPIN, "input/0011", 3, 1, "ChangePIN"},
	{mynumber.RefPassword, "jpki/001B", 5, 1, "ChangePassword"},
}

func procedureNamed(t testing.TB, name string) procedure {
	t.Helper()
	i := slices.IndexFunc(procedures, func(p procedure) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("no procedure %s", name)
	}
	return procedures[i]
}

// P5: a value is sent only while more tries are left than are kept.
func TestP5FewTriesAreKept(t *testing.T) {
	for _, g := range guarded {
		p := procedureNamed(t, g.procedure)
		for left := range g.max + 1 {
			t.Run(fmt.Sprintf("%s with %d left", p.name, left), func(t *testing.T) {
				b := newBench(t, national())
				if err := b.card.SetTries(g.counter, uint8(left)); err != nil {
					t.Fatal(err)
				}
				_, err := p.run(t.Context(), b.connect(), right(t))
				want := mynumber.ErrFewTries
				switch {
				case left > g.keep:
					want = nil
				case left == 0:
					want = mynumber.ErrBlocked
				}
				var te *mynumber.TriesError
				switch {
				case want == nil && err != nil:
					t.Errorf("%s = %v, want it done", p.name, err)
				case want != nil && (!errors.Is(err, want) || !errors.As(err, &te) || te.Left != left || te.Reference != g.ref):
					t.Errorf("%s = %v, want %v with %d left of %s", p.name, err, want, left, g.ref)
				case want != nil && (verifies(b.sent) > 0 || int(b.card.Tries()[g.counter]) != left):
					t.Errorf("%s sent a value, and left %d tries of %d", p.name, b.card.Tries()[g.counter], left)
				}
			})
		}
	}
}

func TestP5KeepIsConfigurable(t *testing.T) {
	for keep, want := range map[int]error{0: nil, 5: nil, 9: nil, 10: mynumber.ErrFewTries, -1: nil} {
		b := newBench(t, national())
		b.options.Keep = mynumber.Keep{Birth: keep}
		if _, err := procedureNamed(t, "ProveFace").run(t.Context(), b.connect(), right(t)); !errors.Is(err, want) {
			t.Errorf("ProveFace with %d kept of 10 = %v, want %v", keep, err, want)
		}
	}
}

// P5: the same wrong value is never sent twice to one card, on any connection; another value may be, and after the right one the card has
// all its tries and nothing is remembered.
func TestP5NeverTheSameWrongValue(t *testing.T) {
	for _, g := range guarded {
		t.Run(g.procedure, func(t *testing.T) {
			p := procedureNamed(t, g.procedure)
			b := newBench(t, national())
			run := func(v values) error {
				_, err := p.run(t.Context(), b.connect(), v)
				return err
			}
			var te *mynumber.TriesError
			if err := run(wrong(t)); !errors.Is(err, mynumber.ErrWrongPIN) || !errors.As(err, &te) || te.Left != g.max-1 {
				t.Fatalf("%s with a wrong value = %v, want ErrWrongPIN with %d left", p.name, err, g.max-1)
			}
			for range 3 {
				if err := run(wrong(t)); !errors.Is(err, mynumber.ErrSameWrong) || verifies(b.sent) > 0 {
					t.Fatalf("%s with it again = %v, %d values sent, want ErrSameWrong and none", p.name, err, verifies(b.sent))
				}
			}
			if got := int(b.card.Tries()[g.counter]); got != g.max-1 {
				t.Fatalf("%d tries left, want %d", got, g.max-1)
			}
			if err := run(right(t)); err != nil {
				t.Fatalf("%s with the right value = %v", p.name, err)
			}
			if err := run(wrong(t)); !errors.Is(err, mynumber.ErrWrongPIN) {
				t.Errorf("%s with a wrong value after the right one = %v, want ErrWrongPIN", p.name, err)
			}
			if err := b.card.ResetCounts(); err != nil {
				t.Fatal(err)
			}
			if err := run(wrong(t)); !errors.Is(err, mynumber.ErrWrongPIN) {
				t.Errorf("%s with it after the city office = %v, want it forgotten: ErrWrongPIN", p.name, err)
			}
		})
	}
}

// P5: what is remembered is about one card.
func TestP5OtherCardsAreNotBlamed(t *testing.T) {
	b := newBench(t, national())
	other := national()
	other.AuthCert, other.CardID = certificates()[1], "practice-2"
	o := newBench(t, other)
	o.options = b.options
	p := procedureNamed(t, "ReadAttributes")
	for _, bench := range []*bench{b, o} {
		if _, err := p.run(t.Context(), bench.connect(), wrong(t)); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Errorf("ReadAttributes with a wrong PIN = %v, want ErrWrongPIN on each card", err)
		}
	}
}

// P5: a query answered 9000 is no licence. The procedure makes the card forget what is verified, and asks again.
func TestP5VerifiedIsNoLicence(t *testing.T) {
	b := newBench(t, national())
	c := b.connect()
	verified := false
	b.to = func(cmd []byte) ([]byte, error) {
		answer := b.card.Transmit(cmd)
		switch {
		case cmd[1] == 0xA4:
			verified = false
		case cmd[1] == 0x20 && len(cmd) == 4 && verified:
			return []byte{0x90, 0x00}, nil
		case cmd[1] == 0x20 && len(cmd) > 4:
			verified = answer[0] == 0x90
		}
		return answer, nil
	}
	for range 2 {
		if _, err := c.SignAuth(t.Context(), pin(t, authPIN), message); err != nil {
			t.Fatalf("SignAuth = %v", err)
		}
	}
	if _, err := c.SignAuth(t.Context(), pin(t, "9999"), message); !errors.Is(err, mynumber.ErrWrongPIN) {
		t.Errorf("SignAuth with a wrong PIN where the right one is verified = %v, want ErrWrongPIN", err)
	}
	b.to = func(cmd []byte) ([]byte, error) {
		if cmd[1] == 0x20 {
			return []byte{0x90, 0x00}, nil
		}
		return b.card.Transmit(cmd), nil
	}
	if _, err := b.connect().SignAuth(t.Context(), pin(t, authPIN), message); !errors.Is(err, mynumber.ErrNonsense) || verifies(b.sent) > 0 {
		t.Errorf("SignAuth on a card where all is always verified = %v, %d values sent, want ErrNonsense and none", err, verifies(b.sent))
	}
}

// P5, below the procedures: the guard itself wants the query just before.
func TestP5GuardWantsTheQueryJustBefore(t *testing.T) {
	const query, verify, change = "00200098", "0020009804 31323334", "0024018004 31323335"
	const choose, queryCurrent, verifyCurrent = "00A4020C02 0018", "00200080", "0020008004 31323334"
	tests := []struct {
		name string
		cmds []string // the last is refused
		want error
	}{
		{"VERIFY without query", []string{selectJPKI, verify}, mynumber.ErrForbidden},
		{"VERIFY after a read", []string{selectJPKI, query, "00B08A0000", verify}, mynumber.ErrForbidden},
		{"VERIFY after the query of another", []string{selectJPKI, "0020009B", verify}, mynumber.ErrForbidden},
		{"VERIFY after another application's query", []string{selectInput, "00200091", selectFace, "0020009106 353530323137"}, mynumber.ErrForbidden},
		{"VERIFY twice", []string{selectJPKI, query, verify, verify}, mynumber.ErrForbidden},
		{"VERIFY of 5 digits", []string{selectJPKI, query, "0020009805 3132333435"}, mynumber.ErrForbidden},
		{"VERIFY of letters", []string{selectJPKI, query, "0020009804 41424344"}, mynumber.ErrForbidden},
		{"VERIFY of a password in small letters", []string{selectJPKI, "0020009B", "0020009B08 6B617A6173686931"}, mynumber.ErrForbidden},
		{"VERIFY with Le", []string{selectJPKI, query, verify + "00"}, mynumber.ErrForbidden},
		{"VERIFY of the current file without one", []string{selectJPKI, verifyCurrent}, mynumber.ErrForbidden},
		{"change without VERIFY", []string{selectJPKI, choose, queryCurrent, change}, mynumber.ErrForbidden},
		{"change after another command", []string{selectJPKI, choose, queryCurrent, verifyCurrent, queryCurrent, change}, mynumber.ErrForbidden},
		{"change of another reference", []string{selectJPKI, query, verify, choose, change}, mynumber.ErrForbidden},
		{"change with old and new", []string{selectJPKI, choose, queryCurrent, verifyCurrent, "0024008008 3132333431323335"}, mynumber.ErrForbidden},
		{"change by short identifier", []string{selectJPKI, choose, queryCurrent, verifyCurrent, "0024019804 31323335"}, mynumber.ErrForbidden},
		{"change to 5 digits", []string{selectJPKI, choose, queryCurrent, verifyCurrent, "0024018005 3132333435"}, mynumber.ErrForbidden},
		{"second change", []string{selectJPKI, choose, queryCurrent, verifyCurrent, change, change}, mynumber.ErrForbidden},
		{"change of the birth key", []string{selectFace, "00A4020C02 0011"}, mynumber.ErrForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := &link{to: licensed}
			g := mynumber.Guard(l)
			last := len(tt.cmds) - 1
			for _, cmd := range tt.cmds[:last] {
				if _, err := g.Transmit(t.Context(), unhex(t, cmd)); err != nil {
					t.Fatalf("Transmit(%s) = %v, want it allowed", cmd, err)
				}
			}
			n := len(l.sent)
			if _, err := g.Transmit(t.Context(), unhex(t, tt.cmds[last])); !errors.Is(err, tt.want) || len(l.sent) > n {
				t.Errorf("Transmit(%s) = %v, sent: %v, want %v", tt.cmds[last], err, len(l.sent) > n, tt.want)
			}
		})
	}
}

// The guard remembers a wrong value for programs that speak to a card themselves, too.
func TestP5GuardRemembersWrongValues(t *testing.T) {
	left := byte(3)
	l := &link{to: func(cmd []byte) ([]byte, error) {
		if cmd[1] != 0x20 {
			return []byte{0x90, 0x00}, nil
		}
		if len(cmd) > 4 {
			left--
		}
		return []byte{0x63, 0xC0 | left}, nil
	}}
	g := mynumber.Guard(l)
	for _, tt := range []struct {
		cmd  string
		want error
	}{
		{selectJPKI, nil},
		{"00200098", nil},
		{"0020009804 31323334", nil},
		{"00200098", nil},
		{"0020009804 31323334", mynumber.ErrSameWrong},
		{"00200098", nil},
		{"0020009804 31323335", nil},
		{"00200098", nil},
		{"0020009804 31323336", mynumber.ErrFewTries},
	} {
		if _, err := g.Transmit(t.Context(), unhex(t, tt.cmd)); !errors.Is(err, tt.want) {
			t.Fatalf("Transmit(%s) = %v, want %v", tt.cmd, err, tt.want)
		}
	}
}

// P5: 63Cx, 63C0, 6983 and 6984 are told apart, whether the query or the VERIFY is answered so.
func TestP5StatusWordsAreToldApart(t *testing.T) {
	for _, tt := range []struct {
		sw   apdu.StatusWord
		want error
		left int
	}{
		{0x63C0, mynumber.ErrBlocked, 0},
		{0x6983, mynumber.ErrBlocked, 0},
		{0x6984, mynumber.ErrBlocked, 0},
		{0x63C2, mynumber.ErrWrongPIN, 2},
		{0x6300, mynumber.ErrWrongPIN, -1},
	} {
		for _, onQuery := range []bool{true, false} {
			if onQuery && !errors.Is(tt.want, mynumber.ErrBlocked) {
				continue
			}
			b := newBench(t, national())
			b.spoil = func(_ int, cmd []byte) ([]byte, error, bool) {
				hit := cmd[1] == 0x20 && cmd[3] == 0x98 && (len(cmd) == 4) == onQuery
				return []byte{byte(tt.sw >> 8), byte(tt.sw)}, nil, hit
			}
			_, err := b.connect().SignAuth(t.Context(), pin(t, authPIN), message)
			var te *mynumber.TriesError
			var se *apdu.StatusError
			if !errors.Is(err, tt.want) || !errors.As(err, &te) || te.Left != tt.left || !errors.As(err, &se) || se.SW != tt.sw {
				t.Errorf("SignAuth with %04X = %v, want %v with %d left and the status word below", uint16(tt.sw), err, tt.want, tt.left)
			}
			if errors.Is(err, mynumber.ErrNoPINs) {
				t.Errorf("SignAuth with %04X for one PIN = %v, want no ErrNoPINs", uint16(tt.sw), err)
			}
		}
	}
}

// A card issued without PINs has a sentence of its own; its birth key works.
func TestCardWithoutPINs(t *testing.T) {
	b := newBench(t, national())
	for _, r := range []string{"jpki/0018", "jpki/001B", "input/0011"} {
		if err := b.card.SetTries(r, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"SignAuth", "ReadAttributes", "Enrol", "ReadSignCert"} {
		if _, err := procedureNamed(t, name).run(t.Context(), b.connect(), right(t)); !errors.Is(err, mynumber.ErrNoPINs) ||
			!errors.Is(err, mynumber.ErrBlocked) || verifies(b.sent) > 0 {
			t.Errorf("%s on a card without PINs = %v, want ErrNoPINs", name, err)
		}
	}
	s, err := b.connect().PINStatus(t.Context())
	if err != nil || !s.NoPINs() || s.Birth != (mynumber.Tries{Left: 10, State: mynumber.StateOpen}) {
		t.Errorf("PINStatus = %v, %v, want no PINs and 10 for the birth key", s, err)
	}
	if _, err := procedureNamed(t, "ProveFace").run(t.Context(), b.connect(), right(t)); err != nil {
		t.Errorf("ProveFace = %v, want it done", err)
	}
}

func TestPINStatus(t *testing.T) {
	open := func(n int) mynumber.Tries { return mynumber.Tries{Left: n, State: mynumber.StateOpen} }
	blocked, absent := mynumber.Tries{State: mynumber.StateBlocked}, mynumber.Tries{State: mynumber.StateAbsent}
	child := national()
	child.SignCert, child.SignCA, child.SignKey, child.SignPassword = nil, nil, nil, ""
	for name, tt := range map[string]struct {
		b    *bench
		want mynumber.Status
	}{
		"new card": {newBench(t, national()), mynumber.Status{AuthPIN: open(3), InputPIN: open(3), Password: open(5), Birth: open(10)}},
		"child":    {newBench(t, child), mynumber.Status{AuthPIN: open(3), InputPIN: open(3), Password: blocked, Birth: open(10)}},
		"phone":    {newBench(t, phone()), mynumber.Status{AuthPIN: open(3), InputPIN: absent, Password: open(5), Birth: absent}},
		"next":     {newBench(t, nextCard()), mynumber.Status{AuthPIN: open(3), InputPIN: absent, Password: open(5), Birth: open(10)}},
	} {
		if got, err := tt.b.connect().PINStatus(t.Context()); err != nil || got != tt.want || got.NoPINs() {
			t.Errorf("%s: PINStatus = %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
	if _, err := newBench(t, child).connect().ReadSignCert(t.Context(), pass(t, password)); !errors.Is(err, mynumber.ErrNoSignCert) {
		t.Errorf("ReadSignCert of a child's card = %v, want ErrNoSignCert", err)
	}
}

// P5: a changed PIN is the PIN, and a wrong old one changes nothing. What was wrong before the change may be right after it.
func TestP5ChangePIN(t *testing.T) {
	b := newBench(t, national())
	fresh := pin(t, "4321")
	if err := b.connect().ChangePIN(t.Context(), mynumber.RefAuthPIN, fresh, fresh); !errors.Is(err, mynumber.ErrWrongPIN) {
		t.Fatalf("ChangePIN with a wrong old PIN = %v, want ErrWrongPIN", err)
	}
	if err := b.connect().ChangePIN(t.Context(), mynumber.RefAuthPIN, pin(t, authPIN), fresh); err != nil {
		t.Fatalf("ChangePIN = %v", err)
	}
	if _, err := b.connect().SignAuth(t.Context(), fresh, message); err != nil {
		t.Errorf("SignAuth with the new PIN = %v", err)
	}
	if _, err := b.connect().SignAuth(t.Context(), pin(t, authPIN), message); !errors.Is(err, mynumber.ErrWrongPIN) {
		t.Errorf("SignAuth with the old PIN = %v, want ErrWrongPIN", err)
	}
	for _, which := range []mynumber.Reference{mynumber.RefBirth, mynumber.RefPassword, 0, 9} {
		c := b.connect()
		if err := c.ChangePIN(t.Context(), which, fresh, fresh); !errors.Is(err, mynumber.ErrFormat) || len(b.sent) > 0 {
			t.Errorf("ChangePIN of %s with PINs = %v in %d commands, want ErrFormat in none", which, err, len(b.sent))
		}
	}
}
