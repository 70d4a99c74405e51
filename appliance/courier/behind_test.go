package courier_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/courier"
	parcel "kazashi.example/sync/courier"
)

// P10: the numbers of a box whose clock died and whose disk was set back fall behind those that central heard. Central says how far they went, and
// the box goes on from there, also over a power cut before its next stick.
func TestP10ABoxThatFellBehindCatchesUp(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(1)
	stick := t.TempDir()
	b.export(stick)
	c.take(stick)
	newest := c.boxes[b.id].saidN
	if err := os.Remove(filepath.Join(b.dir, courier.FileBook)); err != nil {
		t.Fatal(err)
	}
	b.now = time.Unix(1, 0)
	b.restart()
	early := t.TempDir()
	b.export(early)
	if n := b.names(early, parcel.Up); len(n) != 1 || n[0].N >= newest {
		t.Fatalf("a box that was set back writes %v, want a number below %d", n, newest)
	}
	answers := t.TempDir()
	c.give(answers, b)
	b.take(answers)
	b.restart()
	b.tap(1)
	later := t.TempDir()
	b.export(later)
	if n := b.names(later, parcel.Up); len(n) != 1 || n[0].N <= newest {
		t.Errorf("after it heard of %d it writes %v", newest, n)
	}
}
