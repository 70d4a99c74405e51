package mynumber_test

import (
	"errors"
	"reflect"
	"testing"

	"kazashi.example/reader/mynumber"
)

var errGone = errors.New("card was removed")

// tearAt lets so many octets pass, commands and answers counted as they are on the wire, and takes the card away: in the middle of a
// command the card has not seen it, in the middle of an answer it has done what it was told. It returns how many octets have passed.
func (b *bench) tearAt(octets int) (passed *int) {
	passed = new(int)
	b.to = func(cmd []byte) ([]byte, error) {
		if *passed += len(cmd); *passed > octets {
			return nil, errGone
		}
		answer := b.transmit(cmd)
		if *passed += len(answer); *passed > octets {
			return nil, errGone
		}
		return answer, nil
	}
	return passed
}

const never = 1 << 30

// P5, and a clean end: a card torn away at every octet of every procedure ends it with ErrTorn and nothing else, and costs no try.
func TestP5TearAtEveryOctet(t *testing.T) {
	for _, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			b, v := newBench(t, national()), right(t)
			all := triesOf(b.card)
			passed := b.tearAt(never)
			if _, err := p.run(t.Context(), b.connect(), v); err != nil {
				t.Fatal(err)
			}
			for at := range *passed {
				b.options.Memory = mynumber.NewMemory()
				b.tearAt(at)
				out, err := p.run(t.Context(), b.connect(), v)
				if names := known(err); len(names) != 1 || !errors.Is(err, mynumber.ErrTorn) {
					t.Fatalf("%s torn at octet %d of %d = %v, want ErrTorn alone", p.name, at, *passed, err)
				}
				if out != nil && !reflect.ValueOf(out).IsZero() {
					t.Fatalf("%s torn at octet %d of %d returned something", p.name, at, *passed)
				}
				if got := triesOf(b.card); got != all {
					t.Fatalf("%s torn at octet %d of %d left tries %s, want %s", p.name, at, *passed, got, all)
				}
			}
		})
	}
}

// tearBefore takes the card away at the n-th command of a connection: before the card has seen it, or before its answer was.
func (b *bench) tearBefore(n int, seen bool) {
	b.to = func(cmd []byte) ([]byte, error) {
		switch {
		case len(b.sent) < n:
			return b.card.Transmit(cmd), nil
		case seen && len(b.sent) == n:
			b.card.Transmit(cmd)
		}
		return nil, errGone
	}
}

// whole mends the link.
func (b *bench) whole() {
	b.to = func(cmd []byte) ([]byte, error) { return b.card.Transmit(cmd), nil }
}

// P5: after a tear at any command the right values work at the next try, and cost nothing; also if only as many tries are left as are
// needed for that.
func TestP5RightValuesWorkAfterEveryTear(t *testing.T) {
	for _, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			b, v := newBench(t, national()), right(t)
			if _, err := p.run(t.Context(), b.connect(), v); err != nil {
				t.Fatal(err)
			}
			for n := range len(b.sent) {
				for _, seen := range []bool{false, true} {
					b.options.Memory = mynumber.NewMemory()
					for _, ref := range []struct {
						name string
						left uint8
					}{{"jpki/0018", 2}, {"jpki/001B", 2}, {"input/0011", 2}, {"face/0011", 5}} {
						if err := b.card.SetTries(ref.name, ref.left); err != nil {
							t.Fatal(err)
						}
					}
					b.tearBefore(n+1, seen)
					if _, err := p.run(t.Context(), b.connect(), v); !errors.Is(err, mynumber.ErrTorn) {
						t.Fatalf("%s torn at command %d = %v, want ErrTorn", p.name, n+1, err)
					}
					b.whole()
					if _, err := p.run(t.Context(), b.connect(), v); err != nil {
						t.Fatalf("%s after a tear at command %d, seen by the card: %v = %v, want it done", p.name, n+1, seen, err)
					}
				}
			}
		})
	}
}

// P5: a wrong value whose answer was lost is known as wrong by the counter, and is not sent again. One that never reached the card is not
// blamed.
func TestP5LostAnswersAreSettled(t *testing.T) {
	for _, g := range guarded {
		t.Run(g.procedure, func(t *testing.T) {
			p := procedureNamed(t, g.procedure)
			for _, seen := range []bool{true, false} {
				b := newBench(t, national())
				b.to = func(cmd []byte) ([]byte, error) {
					if cmd[1] != 0x20 || len(cmd) == 4 {
						return b.card.Transmit(cmd), nil
					}
					if seen {
						b.card.Transmit(cmd)
					}
					return nil, errGone
				}
				if _, err := p.run(t.Context(), b.connect(), wrong(t)); !errors.Is(err, mynumber.ErrTorn) {
					t.Fatalf("%s torn at VERIFY = %v, want ErrTorn", p.name, err)
				}
				b.whole()
				want := mynumber.ErrWrongPIN
				if seen {
					want = mynumber.ErrSameWrong
				}
				for range 2 {
					if _, err := p.run(t.Context(), b.connect(), wrong(t)); !errors.Is(err, want) {
						t.Errorf("%s with the same value, seen by the card: %v = %v, want %v", p.name, seen, err, want)
					}
					want = mynumber.ErrSameWrong
				}
				if got := int(b.card.Tries()[g.counter]); got != g.max-1 {
					t.Errorf("%d tries left, want %d", got, g.max-1)
				}
			}
		})
	}
}
