package mynumber_test

import (
	"bytes"
	"errors"
	"testing"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
)

// P5: a phone is known by its connection, and by its certificate from the PIN on. What it took for wrong before that stays wrong.
func TestP5WrongValuesSurviveTheName(t *testing.T) {
	b, v, bad := newBench(t, phone()), right(t), wrong(t)
	c := b.connect()
	if _, err := c.ReadSignCert(t.Context(), bad.password); !errors.Is(err, mynumber.ErrWrongPIN) {
		t.Fatalf("ReadSignCert with a wrong password = %v, want ErrWrongPIN", err)
	}
	if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
		t.Fatalf("SignAuth = %v", err)
	}
	for _, what := range []string{"connection", "next connection"} {
		if _, err := c.ReadSignCert(t.Context(), bad.password); !errors.Is(err, mynumber.ErrSameWrong) {
			t.Errorf("ReadSignCert with it again on the %s = %v, want ErrSameWrong", what, err)
		}
		c = b.connect()
	}
	if got := b.card.Tries()["jpki/001B"]; got != 4 {
		t.Errorf("%d tries left, want 4", got)
	}
	if _, err := c.ReadSignCert(t.Context(), v.password); err != nil {
		t.Errorf("ReadSignCert with the right password = %v", err)
	}
}

// P5: a name that a phone had before keeps its wrong values when a connection gets it again, unless the counter rose between.
func TestP5NamesAreJoined(t *testing.T) {
	for _, reset := range []bool{false, true} {
		b, v, bad := newBench(t, phone()), right(t), wrong(t)
		other := pass(t, "WRONG998")
		c := b.connect()
		if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadSignCert(t.Context(), bad.password); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Fatalf("ReadSignCert with a wrong password = %v, want ErrWrongPIN", err)
		}
		if reset {
			if err := b.card.ResetCounts(); err != nil {
				t.Fatal(err)
			}
		}
		c = b.connect()
		if _, err := c.ReadSignCert(t.Context(), other); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Fatalf("ReadSignCert with another = %v, want ErrWrongPIN", err)
		}
		if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
			t.Fatal(err)
		}
		first := mynumber.ErrSameWrong
		if reset { // somebody gave it all its tries back: it may be right now
			first = mynumber.ErrWrongPIN
		}
		for _, again := range []struct {
			value mynumber.Password
			want  error
		}{{other, mynumber.ErrSameWrong}, {bad.password, first}} {
			if _, err := c.ReadSignCert(t.Context(), again.value); !errors.Is(err, again.want) {
				t.Errorf("all tries back %v: ReadSignCert with a wrong password again = %v, want %v", reset, err, again.want)
			}
		}
	}
}

// P5: a phone whose certificate never came out is nobody on the next connection. Whatever left a card without a name with as many tries
// as this one has, or more, is not sent.
func TestP5PhonesOverConnections(t *testing.T) {
	b, v, bad := newBench(t, phone()), right(t), wrong(t)
	try := func(p mynumber.Password) error {
		_, err := b.connect().ReadSignCert(t.Context(), p)
		return err
	}
	other := pass(t, "WRONG998")
	for i, tt := range []struct {
		value mynumber.Password
		want  error
		left  uint8
	}{
		{bad.password, mynumber.ErrWrongPIN, 4},
		{bad.password, mynumber.ErrSameWrong, 4},
		{other, mynumber.ErrWrongPIN, 3},
		{bad.password, mynumber.ErrSameWrong, 3},
		{other, mynumber.ErrSameWrong, 3},
		{v.password, nil, 5},
		{bad.password, mynumber.ErrWrongPIN, 4}, // the right one came between
	} {
		if err := try(tt.value); !errors.Is(err, tt.want) || b.card.Tries()["jpki/001B"] != tt.left {
			t.Errorf("ReadSignCert, value %d = %v with %d left, want %v with %d", i, err, b.card.Tries()["jpki/001B"], tt.want, tt.left)
		}
	}
}

// P5: a value whose answer was lost counts as one that left the phone with a try less; the right one, and one that the phone never got, is
// sent again, because the counter says that it is not less.
func TestP5PhonesWithLostAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		value string
		seen  bool
		want  error
	}{
		"wrong, seen": {"WRONG999", true, mynumber.ErrSameWrong}, "wrong, not seen": {"WRONG999", false, mynumber.ErrWrongPIN},
		"right, seen": {password, true, nil}, "right, not seen": {password, false, nil},
	} {
		b := newBench(t, phone())
		b.to = func(cmd []byte) ([]byte, error) {
			if cmd[1] != 0x20 || len(cmd) == 4 {
				return b.card.Transmit(cmd), nil
			}
			if tt.seen {
				b.card.Transmit(cmd)
			}
			return nil, errGone
		}
		if _, err := b.connect().ReadSignCert(t.Context(), pass(t, tt.value)); !errors.Is(err, mynumber.ErrTorn) {
			t.Fatalf("%s: ReadSignCert torn = %v, want ErrTorn", name, err)
		}
		b.whole()
		if _, err := b.connect().ReadSignCert(t.Context(), pass(t, tt.value)); !errors.Is(err, tt.want) {
			t.Errorf("%s: ReadSignCert again = %v, want %v", name, err, tt.want)
		}
	}
}

// P5: what other things without a name say of a value does not make it right on this phone: one whose right password it is, and one that
// counts as it likes.
func TestP5PhonesBesideOthers(t *testing.T) {
	bad := wrong(t).password
	twin := phone()
	twin.SignPassword = "WRONG999"
	for name, change := range map[string]func(*bench){
		"its right password": func(*bench) {},
		"counts four at once": func(o *bench) {
			o.spoil = func(_ int, cmd []byte) ([]byte, error, bool) {
				return []byte{0x63, map[bool]byte{true: 0xC5, false: 0xC1}[len(cmd) == 4]}, nil, cmd[1] == 0x20
			}
		},
	} {
		b, o := newBench(t, phone()), newBench(t, twin)
		o.options = b.options
		if _, err := b.connect().ReadSignCert(t.Context(), bad); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Fatalf("ReadSignCert with a wrong password = %v, want ErrWrongPIN", err)
		}
		change(o)
		if _, err := o.connect().ReadSignCert(t.Context(), bad); verifies(o.sent) != 1 {
			t.Fatalf("%s: ReadSignCert of the other = %v, want the value sent", name, err)
		}
		if _, err := b.connect().ReadSignCert(t.Context(), bad); !errors.Is(err, mynumber.ErrSameWrong) {
			t.Errorf("%s: ReadSignCert again = %v, want ErrSameWrong", name, err)
		}
	}
}

// P5: a lost answer under the name that a phone had is settled when it gets the name again.
func TestP5LostAnswersAreSettledWithTheName(t *testing.T) {
	for seen, want := range map[bool]error{true: mynumber.ErrSameWrong, false: mynumber.ErrWrongPIN} {
		b, v, bad := newBench(t, phone()), right(t), wrong(t)
		c := b.connect()
		if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
			t.Fatal(err)
		}
		b.spoil = func(_ int, cmd []byte) ([]byte, error, bool) {
			lost := cmd[1] == 0x20 && len(cmd) > 4
			if lost && seen {
				b.card.Transmit(cmd)
			}
			return nil, errGone, lost
		}
		if _, err := c.ReadSignCert(t.Context(), bad.password); !errors.Is(err, mynumber.ErrTorn) {
			t.Fatalf("ReadSignCert torn = %v, want ErrTorn", err)
		}
		b.spoil = nil
		c = b.connect()
		if _, err := c.ReadSignCert(t.Context(), pass(t, "WRONG998")); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Fatalf("ReadSignCert with another = %v, want ErrWrongPIN", err)
		}
		if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadSignCert(t.Context(), bad.password); !errors.Is(err, want) {
			t.Errorf("ReadSignCert with the first again, seen by the card: %v = %v, want %v", seen, err, want)
		}
	}
}

// P5: a right value does not become wrong by being right on a card without a name.
func TestP5PhonesForgetWhatPassed(t *testing.T) {
	b, v := newBench(t, phone()), right(t)
	for range 2 {
		if err := b.card.SetTries("jpki/001B", 3); err != nil {
			t.Fatal(err)
		}
		if _, err := b.connect().ReadSignCert(t.Context(), v.password); err != nil {
			t.Fatalf("ReadSignCert = %v", err)
		}
		if err := b.card.SetTries("jpki/001B", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := b.connect().ReadSignCert(t.Context(), v.password); err != nil {
			t.Fatalf("ReadSignCert with a try less = %v", err)
		}
	}
}

// A thing that shows a copy of somebody's certificate cannot teach that the right birth key is wrong: what it says of tries that no card
// has is nonsense, what costs no try is no proof, and a card with all its tries is blamed for nothing.
func TestP5CopiedCertificateTeachesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		query, verify byte
		want          error
	}{
		"more tries than any card": {0xCF, 0xCF, mynumber.ErrNonsense}, "less, and more than any card": {0xCF, 0xCE, mynumber.ErrNonsense},
		"no try lost": {0xCA, 0xCA, mynumber.ErrWrongPIN}, "more after it": {0xC9, 0xCA, mynumber.ErrWrongPIN},
		"nonsense after it": {0xCA, 0xCB, mynumber.ErrNonsense}, "a try lost": {0xCA, 0xC9, mynumber.ErrWrongPIN},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, national())
			b.to = func(cmd []byte) ([]byte, error) {
				switch {
				case cmd[1] != 0x20:
					return b.card.Transmit(cmd), nil
				case len(cmd) == 4:
					return []byte{0x63, tt.query}, nil
				}
				return []byte{0x63, tt.verify}, nil
			}
			ask := mynumber.FaceRequest{Birth: right(t).birth, Message: message}
			if _, err := b.connect().ProveFace(t.Context(), ask); !errors.Is(err, tt.want) {
				t.Errorf("ProveFace of the copy = %v, want %v", err, tt.want)
			}
			if tt.query == 0xCF && verifies(b.sent) > 0 {
				t.Error("a value was sent to a card that says it has 15 tries")
			}
			b.whole()
			if _, err := b.connect().ProveFace(t.Context(), ask); err != nil {
				t.Errorf("ProveFace of the card = %v, want it done", err)
			}
		})
	}
}

// Without a try lost a value is not taken for wrong, whatever tries the true card has.
func TestP5NoTryLostNoBlame(t *testing.T) {
	b := newBench(t, national())
	if err := b.card.SetTries("face/0011", 7); err != nil {
		t.Fatal(err)
	}
	b.spoil = func(_ int, cmd []byte) ([]byte, error, bool) { return []byte{0x63, 0xC7}, nil, cmd[1] == 0x20 }
	ask := mynumber.FaceRequest{Birth: right(t).birth, Message: message}
	for range 2 {
		if _, err := b.connect().ProveFace(t.Context(), ask); !errors.Is(err, mynumber.ErrWrongPIN) {
			t.Errorf("ProveFace where nothing is counted = %v, want ErrWrongPIN", err)
		}
	}
	b.spoil = nil
	if _, err := b.connect().ProveFace(t.Context(), ask); err != nil {
		t.Errorf("ProveFace of the card = %v, want it done", err)
	}
}

// P5: a value answered by a blocked reference is not blamed once the reference was opened again with fewer tries.
func TestP5BlockedByAValueAndOpenedAgain(t *testing.T) {
	for _, sw := range [][]byte{{0x69, 0x83}, {0x69, 0x84}, {0x63, 0xC0}} {
		b := newBench(t, national())
		b.spoil = func(_ int, cmd []byte) ([]byte, error, bool) {
			return bytes.Clone(sw), nil, cmd[1] == 0x20 && len(cmd) > 4
		}
		if _, err := b.connect().SignAuth(t.Context(), pin(t, authPIN), message); !errors.Is(err, mynumber.ErrBlocked) {
			t.Fatalf("SignAuth answered %X = %v, want ErrBlocked", sw, err)
		}
		b.spoil = nil
		if err := b.card.SetTries("jpki/0018", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := b.connect().SignAuth(t.Context(), pin(t, authPIN), message); err != nil {
			t.Errorf("SignAuth after %X, opened again with 2 tries = %v, want it done", sw, err)
		}
	}
}

// What the guarantee leaves open, so that nobody relies on more: the memory goes by the certificate, and a renewed one is a new name.
func TestP5RenewedCertificateIsANewName(t *testing.T) {
	p := national()
	b := newBench(t, p)
	ask := mynumber.FaceRequest{Birth: wrong(t).birth, Message: message}
	if _, err := b.connect().ProveFace(t.Context(), ask); !errors.Is(err, mynumber.ErrWrongPIN) {
		t.Fatalf("ProveFace with a wrong date = %v, want ErrWrongPIN", err)
	}
	renewed := *p
	renewed.AuthCert, renewed.AuthKey = certificate(rsaKeys().sign), pkcs8(rsaKeys().sign)
	if err := b.card.Renew(&renewed, &vcard.MemoryStore{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{mynumber.ErrWrongPIN, mynumber.ErrSameWrong} { // one more, and no third
		if _, err := b.connect().ProveFace(t.Context(), ask); !errors.Is(err, want) {
			t.Errorf("ProveFace with it after the renewal = %v, want %v", err, want)
		}
	}
	if got := b.card.Tries()["face/0011"]; got != 8 {
		t.Errorf("%d tries left, want 8", got)
	}
}
