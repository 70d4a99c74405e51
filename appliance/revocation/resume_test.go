package revocation_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// A line that is cut anywhere in a chunk, again and again, costs at most that chunk; so does a restart.
func TestACutCostsAtMostOneChunk(t *testing.T) {
	w := newWorld(t, 1)
	v := w.All[0]
	id, chunks := wire.BlobID(v.Head.Root), crlset.Chunks(v.Head.Size)
	for _, first := range []uint64{0, 1, crlset.ChunkSize - 1, crlset.ChunkSize, crlset.ChunkSize + 1, 3*crlset.ChunkSize - 1} {
		w.box.Close()
		w.dir = t.TempDir()
		w.open()
		l := newLine(w)
		cuts := 0
		l.cut = func(b wire.BlobID, at uint64) uint64 {
			if b != id || cuts > chunks {
				return v.Head.Size
			}
			cuts++
			return first
		}
		for range chunks + 2 {
			before := l.given[id]
			err := w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)})
			if err == nil {
				break
			}
			if got := l.given[id] - before; got > max(first, crlset.ChunkSize) && first < crlset.ChunkSize {
				t.Errorf("cut after %d octets: %d came", first, got)
			}
			w.holds("after a cut", 0)
			w.open()
		}
		w.holds(fmt.Sprintf("after cuts at %d octets", first), 1)
		lost := first % crlset.ChunkSize * uint64(cuts)
		if got, most := l.given[id], v.Head.Size+lost; got > most {
			t.Errorf("cut %d times after %d octets: %d octets fetched, want at most %d", cuts, first, got, most)
		}
	}
}

// Run itself goes on after every cut, with longer and longer pauses while nothing comes.
func TestRunGoesOnOverABadLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		l := newLine(w)
		l.cut = func(wire.BlobID, uint64) uint64 { return crlset.ChunkSize + 9 }
		w.run(l, w.Offer(0), w.reached(1))
		chunks := crlset.Chunks(w.All[0].Head.Size)
		if l.asked > chunks+2 {
			t.Errorf("asked %d times for %d chunks", l.asked, chunks)
		}
	})
}

// A chunk that comes damaged is asked for once more, and only it.
func TestADamagedChunkIsAskedForOnceMore(t *testing.T) {
	w := newWorld(t, 1)
	v := w.All[0]
	id := wire.BlobID(v.Head.Root)
	l := newLine(w)
	spoilt := false
	l.change = func(b wire.BlobID, at uint64, octets []byte) {
		if b == id && at <= 2*crlset.ChunkSize && !spoilt {
			octets[2*crlset.ChunkSize-at] ^= 1
			spoilt = true
		}
	}
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}))
	w.holds("after a damaged chunk", 1)
	if got, want := l.given[id], v.Head.Size+crlset.ChunkSize; got != want {
		t.Errorf("%d octets fetched, want %d", got, want)
	}
}

// What a crash leaves of a commit is gone on with, not fetched again: the set had its name, and its manifest had not.
func TestACrashBeforeTheCommitPoint(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	v := w.All[1]
	must(t, os.WriteFile(filepath.Join(w.dir, v.Name()+".set"), v.Set, 0o600))
	for _, left := range []string{".new-123", v.Name() + ".set.load", v.Name() + ".set.part.new"} {
		must(t, os.WriteFile(filepath.Join(w.dir, left), v.Set[:9], 0o600))
	}
	w.open()
	w.holds("before the commit point", 1)
	l := newLine(w)
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}))
	w.holds("gone on with", 2)
	if got := l.given[wire.BlobID(v.Head.Root)]; got != 0 {
		t.Errorf("%d octets of the set fetched again", got)
	}
	w.folder(w.All[0].Name()+".manifest", w.All[0].Name()+".set", v.Name()+".manifest", v.Name()+".set")
}

// folder checks what lies in the box's folder, in order of names.
func (w *world) folder(want ...string) {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	must(w.t, err)
	var got []string
	for _, e := range entries {
		if !e.IsDir() {
			got = append(got, e.Name())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("in the folder: %v, want %v", got, want)
	}
}

// The newest and the one before stay, nothing else does.
func TestOnlyTwoSetsStay(t *testing.T) {
	w := newWorld(t, 4)
	for _, v := range w.All {
		must(t, w.load(false, v))
	}
	a, b := w.All[2].Name(), w.All[3].Name()
	w.folder(a+".manifest", a+".set", b+".manifest", b+".set")
	// A crash after the commit point, before the oldest was removed.
	must(t, os.WriteFile(filepath.Join(w.dir, w.All[1].Name()+".set"), w.All[1].Set, 0o600))
	must(t, os.WriteFile(filepath.Join(w.dir, w.All[1].Name()+".manifest"), w.All[1].Manifest, 0o600))
	w.open()
	w.holds("after a crash", 4)
	w.folder(a+".manifest", a+".set", b+".manifest", b+".set")
}

// The inbox of a running box: what is put there is taken; of what is refused the reason stays, and nothing that takes room.
func TestTheInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		must(t, w.load(false, w.All[0]))
		inbox := filepath.Join(w.dir, "inbox")
		w.All[2].Delta[len(w.All[2].Delta)-1] ^= 1
		w.Export(inbox, w.All[1], true)
		w.Export(inbox, w.All[2], true)
		refused := filepath.Join(inbox, w.All[2].Name()+".refused")
		body := filepath.Join(inbox, w.All[2].Name()+".head")
		w.run(w, wire.SetOffer{}, func() bool {
			_, err := os.Stat(refused)
			_, left := os.Stat(body)
			return err == nil && errors.Is(left, fs.ErrNotExist) && w.reached(2)()
		})
		w.holds("from the inbox", 2)
		if left, _ := filepath.Glob(filepath.Join(inbox, "*")); len(left) != 1 {
			t.Errorf("in the inbox: %q, want the reason alone", left)
		}
		why, err := os.ReadFile(refused)
		must(t, err)
		if len(why) == 0 {
			t.Error("no reason beside what was refused")
		}
		if _, err := os.Stat(filepath.Join(inbox, w.All[1].Name()+".head")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("what was taken stays in the inbox")
		}
		w.Export(inbox, w.All[2], false)
		w.run(w, wire.SetOffer{}, w.reached(3))
	})
}

// What is put into the inbox leads on from what is in use, by the shorter way, and what would be refused by its head is not put there.
func TestDeliver(t *testing.T) {
	w := newWorld(t, 3)
	dir, folder := filepath.Join(w.dir, "inbox"), t.TempDir()
	for _, v := range w.All {
		w.Export(folder, v, false)
		if v.Delta != nil {
			w.Export(folder, v, true)
		}
	}
	deliver := func() (revocation.Delivery, error) {
		files, err := revocation.Peek(w.dir, w.keys)
		must(t, err)
		return revocation.Deliver(t.Context(), w.dir, folder, w.keys, files)
	}
	for _, c := range []struct {
		load *settest.Version
		want string
	}{
		{nil, "[practice-auth-1-3.manifest practice-auth-1-3.set]"},
		{w.All[0], "[practice-auth-1-2.delta practice-auth-1-2.head practice-auth-1-3.delta practice-auth-1-3.head]"},
	} {
		must(t, os.RemoveAll(dir))
		if c.load != nil {
			must(t, w.load(false, c.load))
		}
		d, err := deliver()
		must(t, err)
		var got []string
		entries, err := os.ReadDir(dir)
		must(t, err)
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if waiting, refused, err := d.Pending(); fmt.Sprint(got) != c.want || waiting != len(got) || len(refused) > 0 || err != nil {
			t.Errorf("in the inbox: %v, %d waiting, %v refused, %v, want %s", got, waiting, refused, err, c.want)
		}
	}
	must(t, w.load(false, w.All[2]))
	if _, err := deliver(); !errors.Is(err, revocation.ErrOlder) {
		t.Errorf("Deliver(nothing newer) = %v, want ErrOlder", err)
	}
	w.Key = settest.New(t, auth).Key
	w.Export(folder, w.publish(4), false)
	if _, err := deliver(); !errors.Is(err, sign.ErrUnknownKey) {
		t.Errorf("Deliver(a stranger's) = %v, want sign.ErrUnknownKey", err)
	}
}

// The way is chosen by what is still to come: a set of which most is there is completed, though its delta is a sixth of it.
func TestTheShorterWayCountsWhatIsThere(t *testing.T) {
	w := newWorld(t, 1)
	must(t, w.load(false, w.All[0]))
	v := w.publish(3000)
	o := w.Offer(1)
	l := newLine(w)
	l.cut = func(id wire.BlobID, _ uint64) uint64 {
		if id == o.Set.ID {
			return v.Head.Size - 9
		}
		return v.Head.Size
	}
	whole := o
	whole.Deltas = nil
	if err := w.box.Fetch(t.Context(), l, []wire.SetOffer{whole}); err == nil {
		t.Fatal("Fetch over a line that is cut = nil, want an error")
	}
	l = newLine(w)
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{o}))
	w.holds("completed", 2)
	if got, rest := l.given[o.Set.ID], o.Set.Size%crlset.ChunkSize; got != rest || l.given[o.Deltas[0].Delta.ID] != 0 {
		t.Errorf("%d octets of the set and %d of the delta fetched, want %d and none", got, l.given[o.Deltas[0].Delta.ID], rest)
	}
}

// A download gives up when something newer came by another way.
func TestADownloadThatIsOvertaken(t *testing.T) {
	w := newWorld(t, 1)
	o := w.Offer(0)
	v := w.publish(2)
	l := newLine(w)
	l.cut = func(id wire.BlobID, _ uint64) uint64 {
		if id == o.Set.ID {
			must(t, w.load(false, v))
		}
		return v.Head.Size
	}
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{o}))
	w.holds("overtaken", 2)
	if got := l.given[o.Set.ID]; got > crlset.ChunkSize {
		t.Errorf("%d octets of the older set fetched, want no more than the chunk under way", got)
	}
	w.folder(v.Name()+".manifest", v.Name()+".set")
}
