package courier_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	central "kazashi.example/central/courier"
	"kazashi.example/central/store"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P8, P10: yesterday's image is put back onto a box whose clock is dead, so that its parcels are numbered below those that came. It hears how far
// its numbers went, and what it says after that counts: it gets the verdicts that it lost.
func TestP10ABoxWhoseNumbersFellBehindIsHeardAgain(t *testing.T) {
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(3)
	_, err := take(t, c, b.export(t.TempDir(), b.runs(10), true)...)
	check(t, err)
	c.Drain()
	b.give()
	state := func(n uint64) central.Taken {
		files := write(t, t.TempDir(), parcel.Config{
			Kind: parcel.Up, Box: b.ID, Next: func() (uint64, error) { return n, nil }, Now: c.World.Now, Signer: b.Device,
		}, func(w *parcel.Writer) { check(t, w.State(parcel.State{Poll: b.has})) })
		got, err := take(t, c, files...)
		check(t, err)
		return got
	}
	number++
	if got := state(number); got.State != central.StateTaken { // the box says that it holds them, and that all is safe
		t.Fatalf("State = %q, want %q", got.State, central.StateTaken)
	}
	if given, _ := b.give(); len(given.Parcels) != 0 {
		t.Fatalf("a box that lacks nothing is given %+v", given)
	}
	newest := number
	b.has = wire.Poll{Trust: b.has.Trust, Rules: b.has.Rules, Roster: b.has.Roster, Sets: b.has.Sets, Locked: b.has.Locked}
	if got := state(newest - 5); got.State != central.StateOlder {
		t.Fatalf("State = %q, want %q", got.State, central.StateOlder)
	}
	given, plan := b.give()
	if len(given.Parcels) != 1 || b.heard != newest || plan.Said != newest {
		t.Fatalf("given %d parcels, which heard %d, want one that heard %d", len(given.Parcels), b.heard, newest)
	}
	if given, _ := b.give(); len(given.Parcels) != 0 {
		t.Errorf("it is told again, in %d parcels", len(given.Parcels))
	}
	number = b.heard + 1
	if got := state(number); got.State != central.StateTaken {
		t.Errorf("State = %q, want %q", got.State, central.StateTaken)
	}
	if given, _ := b.give(); given.Verdicts != 3 || b.has.Verdicts.N != 3 {
		t.Errorf("given %d verdicts, holds %d, want 3", given.Verdicts, b.has.Verdicts.N)
	}
}

// What a box said, kept damaged, keeps nothing from the others, nor from that box.
func TestP10ADamagedWordKeepsNothingElseOut(t *testing.T) {
	c := simcentral.New(t)
	a, other := newBox(t, c, c.Box()), newBox(t, c, c.Box())
	for _, b := range []*box{a, other} {
		b.taps(2)
		_, err := take(t, c, b.export(t.TempDir(), b.runs(10), true)...)
		check(t, err)
	}
	number++
	check(t, c.Store.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.SetCourierState(store.CourierState{Box: a.ID, N: number, State: []byte{1}}, nil)
		return err
	}))
	for box, want := range map[record.BoxID]uint64{a.ID: 2, other.ID: 2, record.NewBoxID(): 0} {
		if n, err := c.Courier.Due(t.Context(), box); err != nil || n != want {
			t.Errorf("Due = %d, %v, want %d", n, err, want)
		}
	}
	c.Drain()
	s, err := c.Courier.Standing(t.Context())
	word := func(id record.BoxID) central.Word {
		return s.Boxes[slices.IndexFunc(s.Boxes, func(w central.Word) bool { return w.Box.ID == id })]
	}
	if err != nil || len(s.Boxes) != 2 || !word(a.ID).Damaged || word(other.ID).Damaged || word(other.ID).Open != 1 {
		t.Errorf("Standing = %+v, %v, want one damaged word", s.Boxes, err)
	}
	for _, b := range []*box{a, other} {
		if given, plan := b.give(); given.Verdicts != 2 || b == a && plan.Said != 0 {
			t.Errorf("given %+v by what it said in %d, want two verdicts", given, plan.Said)
		}
	}
	if a.heard != number {
		t.Errorf("heard %d, want %d", a.heard, number)
	}
}

// silent is a store of keys that does not answer.
type silent struct{}

var errSilent = errors.New("the store of keys does not answer")

func (silent) SealKey(sign.KeyID) (seal.PrivateKey, error) { return seal.PrivateKey{}, errSilent }

// A store of keys that does not answer is a fault of central's own: no stick is said to be another central's for it.
func TestAStoreOfKeysThatDoesNotAnswer(t *testing.T) {
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(1)
	files := b.export(t.TempDir(), b.runs(10), true)
	c.Courier.SealKeys = silent{}
	var refused *central.Refusal
	if _, err := take(t, c, files...); !errors.Is(err, errSilent) || errors.As(err, &refused) {
		t.Errorf("Take = %v, want %v", err, errSilent)
	}
}
