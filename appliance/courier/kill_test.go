package courier_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/courier"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// image is what a power cut would leave at one moment: the box's disk and the stick.
type image struct{ disk, stick string }

// photographed does something with a stick and takes an image at each step of its progress.
func photographed(t *testing.T, b *box, stick string, do func(context.Context, string, courier.Progress) (courier.Summary, error)) (images []image) {
	t.Helper()
	_, err := do(context.Background(), stick, func(uint64, uint64) {
		i := image{t.TempDir(), t.TempDir()}
		must(t, os.CopyFS(i.disk, os.DirFS(b.dir)))
		must(t, os.CopyFS(i.stick, os.DirFS(stick)))
		images = append(images, i)
	})
	must(t, err)
	return images
}

// wakes is the box after the power cut.
func (i image) wakes(t *testing.T, b *box) *box {
	t.Helper()
	again := &box{t: t, central: b.central, id: b.id, device: b.device, sealing: b.sealing, dir: i.disk, now: b.now}
	again.open(false)
	t.Cleanup(again.close)
	return again
}

// parts lists what is half written on a stick.
func parts(t *testing.T, stick string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(stick, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".part") {
			all = append(all, path)
		}
		return err
	}))
	return all
}

// P2: a box killed at any moment of an export goes on with the next: nothing is lost, nothing counts twice, and nothing half stays.
func TestP2KilledWhileExporting(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	for range 5 {
		b.tap(8)
		b.journal.Renew(epoch.CauseRotation)
	}
	images := photographed(t, b, t.TempDir(), b.courier.Export)
	if len(images) != 6 {
		t.Fatalf("%d moments, want 6", len(images))
	}
	for _, i := range images {
		again := i.wakes(t, b)
		again.tap(1)
		if left := parts(t, i.stick); len(left) > 1 {
			t.Errorf("the power cut left %v", left)
		}
		again.export(i.stick)
		if left := parts(t, i.stick); len(left) != 0 {
			t.Errorf("after the next export %v are left", left)
		}
		r := c.boxes[b.id]
		r.held, r.order, r.said, r.saidN, r.doubled = nil, nil, parcel.State{}, 0, 0
		c.take(i.stick)
		if len(r.order) != 41 || r.doubled != 0 {
			t.Errorf("central has %d records, %d of them twice, want 41 and none", len(r.order), r.doubled)
		}
	}
}

// P2: a box killed at any moment of an import takes the rest in with the next, and deletes nothing that is not safe.
func TestP2KilledWhileImporting(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	stick := t.TempDir()
	for range 3 {
		b.tap(8)
		b.export(stick)
		c.take(stick)
		c.give(stick, b)
	}
	images := photographed(t, b, stick, b.courier.Import)
	if len(images) != 4 {
		t.Fatalf("%d moments, want 4", len(images))
	}
	for _, i := range images {
		again := i.wakes(t, b)
		sum, err := again.courier.Import(t.Context(), i.stick, nil)
		if !errors.Is(err, courier.ErrNothing) { // killed after all was taken
			must(t, err)
		}
		held, err := again.desired.Held(t.Context())
		must(t, err)
		if again.unsafe() != 0 || again.waiting() != 0 || held.N != 24 || len(sum.Refused) != 0 {
			t.Errorf("%d records are not safe, %d wait, %d verdicts, %+v", again.unsafe(), again.waiting(), held.N, sum)
		}
		if left := again.names(i.stick, parcel.Up); len(left) != 0 {
			t.Errorf("%v are left on the stick", left)
		}
	}
}

// A stick that is pulled while it is used is named; what is whole counts, and the next time goes on.
func TestPulled(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(5)
	stick := t.TempDir()
	sum, err := b.courier.Export(t.Context(), stick, func(done, _ uint64) {
		if done == 5 {
			must(t, os.RemoveAll(stick))
		}
	})
	if !errors.Is(err, parcel.ErrGone) || sum.Records != 0 || sum.Files != 0 {
		t.Errorf("Export(pulled) = %+v, %v, want ErrGone and nothing written", sum, err)
	}
	must(t, os.MkdirAll(stick, 0o700))
	if sum := b.export(stick); sum.Records != 5 {
		t.Errorf("Export(put in again) = %+v", sum)
	}
	c.take(stick)
	c.give(stick, b)
	_, err = b.courier.Import(t.Context(), stick, func(done, _ uint64) {
		if done == 0 {
			must(t, os.RemoveAll(stick))
		}
	})
	if !errors.Is(err, parcel.ErrGone) {
		t.Errorf("Import(pulled) = %v, want ErrGone", err)
	}
	if b.unsafe() != 5 {
		t.Errorf("%d records are not safe, want 5", b.unsafe())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.courier.Export(ended, t.TempDir(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Export(ended) = %v, want context.Canceled", err)
	}
}

// P2: a clone of the box, or its image from yesterday, opens epochs of its own, so that no parcel covers what another carries.
func TestP2AnImageOfYesterdayIsNotTakenForTheBox(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(4)
	yesterday := image{disk: t.TempDir()}
	must(t, os.CopyFS(yesterday.disk, os.DirFS(b.dir)))
	b.tap(3)
	stick := t.TempDir()
	b.export(stick)
	b.close()
	again := yesterday.wakes(t, b)
	again.tap(2)
	if sum := again.export(stick); sum.Records != 2 {
		t.Errorf("Export(yesterday's image) = %+v, want its own 2 records", sum)
	}
	c.take(stick)
	epochs := map[record.EpochID]int{}
	for _, id := range c.boxes[b.id].order {
		epochs[id.Epoch]++
	}
	if len(epochs) != 2 || len(c.boxes[b.id].order) != 9 {
		t.Errorf("central has %v", epochs)
	}
	b.open(false)
}
