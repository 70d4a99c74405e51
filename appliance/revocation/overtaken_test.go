package revocation_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/wire"
)

// held is the number that answers, for asking which deltas lead on from it; 0 for none.
func (w *world) held() uint64 {
	h, _ := w.box.Newest(auth)
	return h.Number.N
}

// A box whose line needs longer for a set than central for the next comes to a set all the same, and then by deltas.
func TestABoxOnAThinLineComesToASet(t *testing.T) {
	for _, chunks := range []uint64{1, 2, 4} { // of five, until the line is cut and a newer set is offered
		w := newWorld(t, 1)
		var reached int
		l := newLine(w)
		l.cut = func(wire.BlobID, uint64) uint64 { return chunks*crlset.ChunkSize + 9 }
		for round := 1; w.held() == 0 && round < 12; round++ {
			_ = w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(w.held())}) // each is cut somewhere
			w.publish(len(w.All) + 1)
			w.open()
			reached = round
		}
		w.holds(fmt.Sprintf("after %d rounds of %d chunks", reached, chunks), 1)
		for round := 0; w.held() != w.All[len(w.All)-1].Head.Number.N && round < 3; round++ {
			_ = w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(w.held())})
		}
		w.holds("by deltas", w.All[len(w.All)-1].Head.Number.N)
		for _, v := range w.All[1:] {
			if got := l.given[wire.BlobID(v.Head.Root)]; got > chunks*crlset.ChunkSize+9 {
				t.Errorf("%d chunks: %d octets of set %d fetched beside the first", chunks, got, v.Head.Number.N)
			}
		}
	}
}

// The same of a box that runs, to which the newer set is offered while the older one comes.
func TestRunCompletesWhatWasOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		l := newLine(w)
		first := wire.BlobID(w.All[0].Head.Root)
		overtaking := 3
		l.cut = func(id wire.BlobID, _ uint64) uint64 {
			if id == first && overtaking > 0 {
				overtaking--
				w.publish(len(w.All) + 1)
				w.box.Offered([]wire.SetOffer{w.Offer(0)})
			}
			return crlset.ChunkSize + 9
		}
		w.run(l, w.Offer(0), w.reached(1))
		w.run(l, w.Offer(1), w.reached(4))
		if got := l.given[wire.BlobID(w.All[3].Head.Root)]; got > 0 {
			t.Errorf("%d octets of the newest set fetched, want none: deltas lead to it", got)
		}
		// Where no delta leads on the whole set is fetched, without another offer.
		w.publish(9)
		w.run(l, w.Offer(0), w.reached(5))
	})
}

// What central has no more, and what nothing will complete, is removed.
func TestOvertakenDownloadsAreRemoved(t *testing.T) {
	w := newWorld(t, 1)
	for n := 2; n < 6; n++ {
		l := newLine(w)
		l.cut = func(wire.BlobID, uint64) uint64 { return 3 * crlset.ChunkSize }
		_ = w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}) // is cut
		delete(w.Blobs, wire.BlobID(w.All[n-2].Head.Root))
		w.publish(n)
		w.open()
		v := w.All[n-2].Name()
		w.folder(v+".manifest.part", v+".set.part")
	}
	must(t, os.WriteFile(filepath.Join(w.dir, "practice-auth-1-2.set.part.new"), []byte("x"), 0o600))
	must(t, os.WriteFile(filepath.Join(w.dir, "practice-auth-1-3.delta.part"), []byte("x"), 0o600))
	l := newLine(w)
	l.cut = func(wire.BlobID, uint64) uint64 { return crlset.ChunkSize }
	if err := w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}); err == nil {
		t.Fatal("Fetch over a line that is cut = nil, want an error")
	}
	v := w.All[4].Name()
	w.folder(v+".manifest.part", v+".set.part")
}

// A set that decayed is mended though a newer one is offered: a chunk is less than a set.
func TestADecayedSetIsMendedBeforeItIsOvertaken(t *testing.T) {
	w := newWorld(t, 1)
	must(t, w.load(false, w.All[0]))
	path := filepath.Join(w.dir, w.All[0].Name()+".set")
	b, err := os.ReadFile(path)
	must(t, err)
	b[2*crlset.ChunkSize] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	w.open()
	w.box.Scrub(t.Context())
	w.holds("damaged", 0)
	w.publish(2)
	l := newLine(w)
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(1)}))
	w.holds("mended and brought up to date", 2)
	if got := l.given[wire.BlobID(w.All[0].Head.Root)]; got != crlset.ChunkSize {
		t.Errorf("%d octets fetched to mend it, want one chunk", got)
	}
}

// P7: lists do not go back under a higher number, whichever way they come; with lists that are as new central is believed again.
func TestP7ListsDoNotGoBack(t *testing.T) {
	w := newWorld(t, 0)
	w.publish(30)
	must(t, w.load(false, w.All[0]))
	w.publish(1)
	for way, take := range map[string]func() error{
		"the whole set": func() error { return w.box.Fetch(t.Context(), w, []wire.SetOffer{w.Offer(0)}) },
		"a delta": func() error {
			o := w.Offer(1)
			o.Set = wire.Blob{}
			return w.box.Fetch(t.Context(), w, []wire.SetOffer{o})
		},
		"a folder":            func() error { return w.load(false, w.All[1]) },
		"a folder of a delta": func() error { return w.load(true, w.All[1]) },
	} {
		if err := take(); !errors.Is(err, revocation.ErrBackwards) {
			t.Errorf("by %s: %v, want ErrBackwards", way, err)
		}
		w.holds(way, 1)
	}
	w.publish(31)
	must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{w.Offer(1)}))
	w.holds("with today's lists, by deltas over the ones that went back", 3)
}

// P7: of a set of many lists each is compared with itself: a list that comes new may be older than all, and one may go.
func TestP7EachListIsComparedWithItself(t *testing.T) {
	row := func(point string, at int64) manifest.Row {
		return manifest.Row{Point: []byte(point), Key: bytes.Repeat([]byte{7}, 32), Number: 1, ThisUpdate: at, NextUpdate: at + 86400}
	}
	at := day.Unix()
	for _, c := range []struct {
		name string
		next []manifest.Row
		want error
	}{
		{"all as before", []manifest.Row{row("a", at), row("b", at+9)}, nil},
		{"one newer", []manifest.Row{row("a", at+1), row("b", at+9)}, nil},
		{"one older, which the set's age does not show", []manifest.Row{row("a", at), row("b", at+8)}, revocation.ErrBackwards},
		{"one older", []manifest.Row{row("a", at-1), row("b", at+9)}, revocation.ErrBackwards},
		{"one more, older than all", []manifest.Row{row("a", at), row("b", at+9), row("c", at-86400)}, nil},
		{"one gone", []manifest.Row{row("a", at)}, nil},
		{"all others, newer", []manifest.Row{row("c", at+1)}, nil},
		{"all others, older", []manifest.Row{row("c", at-1)}, revocation.ErrBackwards},
	} {
		w := newWorld(t, 2)
		w.Retable(w.All[0], row("a", at), row("b", at+9))
		w.Retable(w.All[1], c.next...)
		must(t, w.load(false, w.All[0]))
		if err := w.load(false, w.All[1]); !errors.Is(err, c.want) {
			t.Errorf("Load(%s) = %v, want %v", c.name, err, c.want)
		}
		w.open()
		w.holds(c.name, map[bool]uint64{true: 2, false: 1}[c.want == nil])
	}
}

// A set that went out of use gives its map back at once, so that the room of its file is free.
func TestARemovedSetGivesItsRoomBack(t *testing.T) {
	w := newWorld(t, 3)
	for _, v := range w.All {
		must(t, w.load(false, v))
	}
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, filepath.Join(w.dir, w.All[0].Name())) {
			t.Errorf("the oldest set is still mapped: %s", line)
		}
	}
	if !bytes.Contains(maps, []byte(filepath.Join(w.dir, w.All[1].Name()+".set"))) {
		t.Error("the one before is not mapped")
	}
}
