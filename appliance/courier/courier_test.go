package courier_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/courier"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/ack"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/order"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P2: a box without a line settles by one stick: everything goes over, is settled and safe, and the stick is empty of it.
func TestP2ABoxSettlesByStick(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(700)
	stick := t.TempDir()
	if sum := b.export(stick); sum.Records != 700 || sum.Files != 1 || sum.Known != 0 {
		t.Errorf("Export = %+v", sum)
	}
	if n := c.take(stick); n != 700 {
		t.Errorf("central took %d records, want 700", n)
	}
	c.sets.Publish(start, settest.Entry(7, 1, start))
	c.give(stick, b)
	other := copied(t, stick)
	sum := b.take(stick)
	if sum.Records != 700 || sum.Safe != 700 || sum.Verdicts != 700 || sum.Files != 1 || !sum.News.Sets || sum.Removed != 2 || len(sum.Refused) != 0 {
		t.Errorf("Import = %+v", sum)
	}
	if b.waiting() != 0 || b.unsafe() != 0 || b.settled != 700 || len(b.lists.Held()) != 1 {
		t.Errorf("%d wait, %d are not safe, %d are settled, %d sets", b.waiting(), b.unsafe(), b.settled, len(b.lists.Held()))
	}
	if left := slices.Concat(b.names(stick, parcel.Up), b.names(stick, parcel.Down)); len(left) != 0 {
		t.Errorf("%v are still on the stick", left)
	}
	if again := b.take(other); again.Files != 0 || again.Known != 1 || again.Records+again.Safe != 0 || b.settled != 700 {
		t.Errorf("Import(again) = %+v", again)
	}
}

// P2: the same records on two sticks, and answers in the wrong order, come to the same.
func TestP2AnyNumberOfSticksInAnyOrder(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	one, two := t.TempDir(), t.TempDir()
	b.tap(30)
	b.export(one)
	b.tap(20)
	b.export(two)
	c.take(one)
	c.give(one, b)
	c.take(two)
	c.give(two, b)
	c.take(one)
	if r := c.boxes[b.id]; len(r.order) != 50 || r.doubled != 60 {
		t.Errorf("central has %d records and %d came again, want 50 and 60", len(r.order), r.doubled)
	}
	newer := b.take(two)
	older := b.take(one)
	if newer.Safe != 50 || older.Safe != 0 || b.unsafe() != 0 || b.settled != 50 || len(older.Refused) != 0 {
		t.Errorf("Import = %+v, then %+v", newer, older)
	}
}

// P2: several boxes share a stick, and none touches what is another's.
func TestP2SeveralBoxesOnOneStick(t *testing.T) {
	c := newCentral(t)
	a, b := newBox(t, c), newBox(t, c)
	stick := t.TempDir()
	a.tap(5)
	b.tap(6)
	a.export(stick)
	b.export(stick)
	c.take(stick)
	c.give(stick, a, b)
	if sum := a.take(stick); sum.Safe != 5 {
		t.Errorf("Import = %+v", sum)
	}
	if left := b.names(stick, parcel.Up); len(left) != 1 {
		t.Errorf("%d parcels of the other box are left, want 1", len(left))
	}
	if sum := b.take(stick); sum.Safe != 6 {
		t.Errorf("Import = %+v", sum)
	}
}

// P2: an export goes on where the one before ended, over a restart, and writes nothing twice.
func TestP2AnExportGoesOnWhereItEnded(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	stick := t.TempDir()
	b.tap(10)
	b.export(stick)
	b.tap(7)
	sum := b.export(stick)
	if sum.Records != 7 || sum.Known != 1 {
		t.Errorf("Export(again) = %+v, want 7 records and 1 file known", sum)
	}
	b.restart()
	b.tap(3)
	if sum := b.export(stick); sum.Records != 3 || sum.Known != 2 {
		t.Errorf("Export(after a restart) = %+v, want 3 records and 2 files known", sum)
	}
	if sum := b.export(stick); sum.Records != 0 || sum.Known != 3 || sum.Files != 1 || sum.Removed != 0 {
		t.Errorf("Export(nothing new) = %+v", sum)
	}
	if sum := b.export(stick); sum.Removed != 1 {
		t.Errorf("Export(nothing new, again) = %+v, want the state before removed", sum)
	}
	if n := c.take(stick); n != 20 || len(c.boxes[b.id].order) != 20 {
		t.Errorf("central took %d records", n)
	}
}

// P2: the numbers of a box's parcels rise, also where the box was restored to yesterday's image.
func TestP2NumbersRise(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(1)
	stick := t.TempDir()
	b.export(stick)
	first := b.names(stick, parcel.Up)[0].N
	must(t, os.Remove(filepath.Join(b.dir, courier.FileBook)))
	b.restart()
	b.tap(1)
	b.export(stick)
	if all := b.names(stick, parcel.Up); len(all) != 2 || all[1].N <= first || first < uint64(start.Unix()) {
		t.Errorf("numbers are %v", all)
	}
	must(t, os.WriteFile(filepath.Join(b.dir, courier.FileBook), []byte("nonsense"), 0o600))
	b.restart()
	b.export(stick)
	if all := b.names(stick, parcel.Up); len(all) != 3 {
		t.Errorf("numbers are %v", all)
	}
}

// P2: a box whose disk takes nothing any more gives its records to a stick all the same.
func TestP2ABoxThatCannotWriteExports(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(3)
	c.order(b.id, order.KindLock)
	stick := t.TempDir()
	c.give(stick, b)
	b.take(stick)
	must(t, os.MkdirAll(filepath.Join(b.dir, courier.FileBook, "in its place"), 0o700)) // root writes to what is read-only
	for i := range 2 {
		if sum := b.export(stick); sum.Records != uint64(3*(1-i)) {
			t.Errorf("Export(time %d) = %+v", i+1, sum)
		}
	}
	if n := c.take(stick); n != 3 {
		t.Errorf("central took %d records, want 3", n)
	}
	must(t, os.RemoveAll(filepath.Join(b.dir, courier.FileBook)))
}

// P2: what central has received and not yet in a backup is not sent again, and stays on the stick.
func TestP2ReceivedIsNotSafe(t *testing.T) {
	c := newCentral(t)
	c.level = ack.Received
	b := newBox(t, c)
	stick := t.TempDir()
	b.tap(4)
	b.export(stick)
	c.take(stick)
	c.give(stick, b)
	if sum := b.take(stick); sum.Records != 4 || sum.Safe != 0 || sum.Removed != 1 {
		t.Errorf("Import = %+v", sum)
	}
	if left := b.names(stick, parcel.Up); len(left) != 1 {
		t.Errorf("%d parcels are left, want 1", len(left))
	}
	if sum := b.export(t.TempDir()); sum.Records != 0 {
		t.Errorf("Export = %+v, want no records", sum)
	}
	c.level = ack.Safe
	c.take(stick)
	c.give(stick, b)
	b.take(stick)
	if left := b.names(stick, parcel.Up); len(left) != 0 {
		t.Errorf("%d parcels are left, want none", len(left))
	}
}

// P2: central was restored and lacks what it had acknowledged: by stick the box hears it, brings all that is still here once more, and an older
// stick changes nothing any more.
func TestP2ARestoredCentralByStick(t *testing.T) {
	c := newCentral(t)
	c.level = ack.Received
	b := newBox(t, c)
	old, stick := t.TempDir(), t.TempDir()
	b.tap(6)
	b.export(old)
	c.take(old)
	c.give(old, b)
	b.take(copied(t, old))
	r := c.boxes[b.id]
	r.held, r.order = nil, nil
	c.epoch = 2
	c.give(stick, b)
	if sum := b.take(stick); len(sum.Refused) != 0 || b.waiting() != 6 {
		t.Errorf("Import = %+v, %d wait, want 6", sum, b.waiting())
	}
	if sum := b.take(old); len(sum.Refused) != 0 || b.waiting() != 6 {
		t.Errorf("Import(from before) = %+v, %d wait, want 6", sum, b.waiting())
	}
	if sum := b.export(stick); sum.Records != 6 {
		t.Errorf("Export = %+v, want 6 records", sum)
	}
	c.level = ack.Safe
	c.take(stick)
	c.give(stick, b)
	if sum := b.take(stick); sum.Safe != 6 || len(r.order) != 6 {
		t.Errorf("Import = %+v, central has %d", sum, len(r.order))
	}
}

// P8: a box that knows no key of today's central takes the bundle on the stick, which proves itself, and then the rest.
func TestP8AnOldBoxComesBackByStick(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(2)
	stick := t.TempDir()
	b.export(stick)
	c.take(stick)
	c.sign, c.bundle = newKey(t), 2
	c.give(stick, b)
	if sum := b.take(stick); !sum.News.Trust || sum.Safe != 2 || len(sum.Refused) != 0 {
		t.Errorf("Import = %+v", sum)
	}
}

// P9: whoever is not central has nothing taken, though he can seal to the box.
func TestP9AStrangersParcelIsRefused(t *testing.T) {
	c, thief := newCentral(t), newCentral(t)
	b := newBox(t, c)
	b.tap(2)
	stick := t.TempDir()
	b.export(stick)
	thief.boxes[b.id] = c.boxes[b.id]
	thief.bundle = 7
	thief.give(stick, b)
	sum := b.take(stick)
	if len(sum.Refused) != 1 || !errors.Is(sum.Refused[0].Err, parcel.ErrSigner) || sum.Files+sum.Known != 0 || b.unsafe() != 2 {
		t.Errorf("Import = %+v", sum)
	}
}

// P3: a stick that is forgotten in the box holds nothing that the box could open with it, such as keys of the site. What was not taken stays.
func TestP3WhatWasTakenLeavesTheStick(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	stick := t.TempDir()
	b.export(stick)
	c.give(stick, b)
	c.give(stick, b)
	spoilt := b.names(stick, parcel.Down)[1]
	must(t, os.Truncate(filepath.Join(stick, spoilt.String()), 100))
	if sum := b.take(stick); sum.Removed != 1 || len(sum.Refused) != 1 {
		t.Errorf("Import = %+v", sum)
	}
	if left := b.names(stick, parcel.Down); len(left) != 1 || left[0] != spoilt {
		t.Errorf("%v are on the stick, want %v", left, spoilt)
	}
	if _, err := b.courier.Import(t.Context(), t.TempDir(), nil); !errors.Is(err, parcel.ErrNotStick) {
		t.Errorf("Import(an empty stick) = %v", err)
	}
}

// An order that came by stick is done once, and central hears of it by the next stick; then it is said no more.
func TestOrdersByStickAreDoneOnceAndTold(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	id := c.order(b.id, order.KindWipe)
	stick := t.TempDir()
	c.give(stick, b)
	other := copied(t, stick)
	if sum := b.take(stick); !sum.News.Orders || b.wiped != 1 {
		t.Errorf("Import = %+v, done %d times", sum, b.wiped)
	}
	if again := b.take(other); again.News.Orders || again.Files != 0 || again.Known != 1 {
		t.Errorf("Import(again) = %+v, want no news", again)
	}
	b.export(stick)
	c.take(stick)
	if done := c.boxes[b.id].said.Poll.Done; len(done) != 1 || done[0].Order != id || done[0].Outcome != order.OutcomeDone {
		t.Errorf("central hears %v", done)
	}
	c.orders = nil
	other = t.TempDir()
	c.give(other, b)
	b.restart()
	b.take(other)
	if done := b.orders.Done(); len(done) != 0 || b.wiped != 1 {
		t.Errorf("still to be told: %v; done %d times", done, b.wiped)
	}
}

// How wrong the clock was goes with the records, and what the box has goes last.
func TestAnExportCarriesCorrectionsAndTheState(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(2)
	_, err := b.journal.Correct(t.Context(), "one", time.Hour, start)
	must(t, err)
	stick := t.TempDir()
	b.export(stick)
	p, err := parcel.Open(filepath.Join(stick, b.names(stick, parcel.Up)[0].String()))
	must(t, err)
	defer p.Close()
	if got, want := p.Types(), []parcel.Type{parcel.TypeRun, parcel.TypeCorrection, parcel.TypeState}; !slices.Equal(got, want) {
		t.Fatalf("Types = %v, want %v", got, want)
	}
	for part, err := range p.Parts() {
		must(t, err)
		if part.Type == parcel.TypeCorrection {
			got, err := wire.OpenCorrection(sign.One{Key: publicOf(t, b.device)}, part.Octets)
			if err != nil || got.Offset != time.Hour.Milliseconds() || got.Box != b.id {
				t.Errorf("Correction = %+v, %v", got, err)
			}
		}
	}
	s, _, err := p.State()
	if err != nil || s.Poll.Waiting != 2 || s.Poll.Time != start.UnixMilli() || len(s.Ends) != 1 || s.Ends[0].Last != 2 || s.Ends[0].Safe {
		t.Errorf("State = %+v, %v", s, err)
	}
}

// P3: nothing on a stick names anybody, nor any file name.
func TestP3AStickNamesNobody(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(40)
	stick := t.TempDir()
	b.export(stick)
	c.take(stick)
	c.give(stick, b)
	files := 0
	must(t, filepath.WalkDir(stick, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		octets, err := os.ReadFile(path)
		must(t, err)
		for _, word := range []string{planted[:20], "SHIMIZU", "0123456789ABCDEF", "desk-1", "kiyose.library", "2K7M", "honmachi"} {
			if strings.Contains(string(octets), word) || strings.Contains(path, word) {
				t.Errorf("%s says %q", path, word)
			}
		}
		return nil
	}))
	if files != 2 {
		t.Errorf("%d files on the stick, want 2", files)
	}
}

func TestImportRefusals(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	ctx := context.Background()
	if _, err := b.courier.Import(ctx, t.TempDir(), nil); !errors.Is(err, parcel.ErrNotStick) {
		t.Errorf("Import(another's stick) = %v, want ErrNotStick", err)
	}
	other := newBox(t, c)
	stick := t.TempDir()
	c.give(stick, other)
	if _, err := b.courier.Import(ctx, stick, nil); !errors.Is(err, courier.ErrNothing) {
		t.Errorf("Import(nothing for it) = %v, want ErrNothing", err)
	}
	if _, err := b.courier.Import(ctx, filepath.Join(stick, "none"), nil); !errors.Is(err, parcel.ErrGone) {
		t.Errorf("Import(no folder) = %v, want ErrGone", err)
	}
	foreign, err := os.ReadFile(filepath.Join(stick, other.names(stick, parcel.Down)[0].String()))
	must(t, err)
	c.give(stick, b)
	from := filepath.Join(stick, b.names(stick, parcel.Down)[0].String())
	octets, err := os.ReadFile(from)
	must(t, err)
	for name, bad := range map[string]struct {
		octets []byte
		want   error
	}{
		"0000005001.kzd": {foreign, parcel.ErrOtherBox}, // of another box, under its own number
		"0000000001.kzd": {octets[:len(octets)/2], parcel.ErrHalf},
		"0000000002.kzd": {octets, parcel.ErrOtherBox}, // another number than it says
		"0000000003.kzd": {[]byte("a letter to the library, in a file of the wrong name"), parcel.ErrDamaged},
	} {
		must(t, os.WriteFile(from, octets, 0o600))
		must(t, os.WriteFile(filepath.Join(filepath.Dir(from), name), bad.octets, 0o600))
		sum := b.take(stick)
		if len(sum.Refused) != 1 || !errors.Is(sum.Refused[0].Err, bad.want) || !strings.HasSuffix(sum.Refused[0].File, name) || sum.Files+sum.Known != 1 {
			t.Errorf("Import(%s) = %+v, want %v", name, sum, bad.want)
		}
		must(t, os.Remove(filepath.Join(filepath.Dir(from), name)))
	}
}

// A set that is not on the stick is refused by name, and all else is taken.
func TestAMissingFileKeepsNothingElseOut(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(3)
	stick := t.TempDir()
	b.export(stick)
	c.take(stick)
	c.sets.Publish(start, settest.Entry(7, 1, start))
	c.give(stick, b)
	must(t, os.RemoveAll(filepath.Join(stick, "KAZASHI", "blobs")))
	sum := b.take(stick)
	if len(sum.Refused) != 1 || !errors.Is(sum.Refused[0].Err, parcel.ErrMissing) || sum.Safe != 3 || sum.News.Sets {
		t.Errorf("Import = %+v", sum)
	}
	c.give(stick, b)
	if sum := b.take(stick); !sum.News.Sets {
		t.Errorf("Import(with the file) = %+v", sum)
	}
}

// What spoilt a parcel of the box's own is made good by the next export.
func TestASpoiltParcelIsWrittenAgain(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(9)
	stick := t.TempDir()
	b.export(stick)
	path := filepath.Join(stick, b.names(stick, parcel.Up)[0].String())
	octets, err := os.ReadFile(path)
	must(t, err)
	octets[len(octets)/2] ^= 1
	must(t, os.WriteFile(path, octets, 0o600))
	must(t, os.WriteFile(filepath.Join(filepath.Dir(path), "0000000009.part"), octets, 0o600))
	if sum := b.export(stick); sum.Records != 9 || sum.Removed != 1 {
		t.Errorf("Export = %+v, want all records again and 1 file removed", sum)
	}
	if n := c.take(stick); n != 9 {
		t.Errorf("central took %d records, want 9", n)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "0000000009.part")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the part of a parcel is still there: %v", err)
	}
}
