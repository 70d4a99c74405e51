package revocation_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// harm flips a bit in each chunk of a set's file on the disk.
func (w *world) harm(v *settest.Version) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.dir, v.Name()+".set"), os.O_RDWR, 0)
	must(w.t, err)
	for at := 100; at < len(v.Set); at += crlset.ChunkSize {
		_, err := f.WriteAt([]byte{v.Set[at] ^ 1}, int64(at))
		must(w.t, err)
	}
	must(w.t, f.Close())
}

// P6, P7: a newest set that decayed answers nothing; the one before does at once, with its own number, and the newest is mended.
func TestP7ADamagedSetGivesWayToTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		must(t, w.load(false, w.All[0]))
		must(t, w.load(false, w.All[1]))
		w.harm(w.All[1])
		w.open() // nothing but the ends is read
		w.holds("with a damaged newest", 1)
		if h := w.box.Held(); len(h) != 1 || h[0].Number.N != 1 {
			t.Errorf("Held() = %+v, want number 1", h)
		}
		l := newLine(w)
		w.run(l, w.Offer(0), w.reached(2))
		w.holds("mended", 2)
		a, b := w.All[0].Name(), w.All[1].Name()
		w.folder(a+".manifest", a+".set", b+".manifest", b+".set")
		if got := l.given[wire.BlobID(w.All[1].Head.Root)]; got != w.All[1].Head.Size {
			t.Errorf("%d octets fetched to mend every chunk, want %d", got, w.All[1].Head.Size)
		}
	})
}

// Only the chunks at fault are fetched to mend a set.
func TestOnlyWhatIsDamagedIsFetched(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	must(t, w.load(false, w.All[1]))
	path := filepath.Join(w.dir, w.All[1].Name()+".set")
	b, err := os.ReadFile(path)
	must(t, err)
	b[2*crlset.ChunkSize] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	w.open()
	w.box.Scrub(t.Context())
	w.holds("after the scrub", 1)
	l := newLine(w)
	o := w.Offer(0)
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{o}))
	w.holds("mended", 2)
	if got := l.given[o.Set.ID]; got != crlset.ChunkSize || l.given[o.Manifest.ID] != 0 {
		t.Errorf("%d octets of the set and %d of its manifest fetched, want one chunk and none", got, l.given[o.Manifest.ID])
	}
}

// P7: with both damaged nothing is said of anybody, and the sets are fetched anew.
func TestP7BothSetsDamaged(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	must(t, w.load(false, w.All[1]))
	w.harm(w.All[0])
	w.harm(w.All[1])
	w.open()
	w.holds("with both damaged", 0)
	if h := w.box.Held(); len(h) != 0 {
		t.Errorf("Held() = %+v, want none", h)
	}
	must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{w.Offer(0)}))
	w.holds("fetched anew", 2)
}

// A base that decayed is found when deltas are applied to it, and costs the box no more than the way by deltas.
func TestADamagedBaseIsFoundWhenDeltasAreApplied(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	w.harm(w.All[0])
	w.open()
	must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{w.Offer(1)}))
	w.holds("by the whole set", 2)
}

// A file that is shorter than signed, or a manifest that is not what it was, is not used at a start.
func TestP7DamagedFilesAreNotUsedAtAStart(t *testing.T) {
	for _, ext := range []string{".set", ".manifest"} {
		w := newWorld(t, 2)
		must(t, w.load(false, w.All[0]))
		must(t, w.load(false, w.All[1]))
		must(t, os.Truncate(filepath.Join(w.dir, w.All[1].Name()+ext), 300))
		w.open()
		w.holds("with a cut "+ext, 1)
		must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{w.Offer(0)}))
		w.holds("mended after a cut "+ext, 2)
	}
}

// P7, P9: with its key a set goes out of use at once, and comes back with it; its file stays.
func TestP9AChangeOfTrust(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	must(t, w.load(false, w.All[1]))
	theirs := w.keys
	w.keys = settest.New(t, auth).Keys()
	must(t, w.box.Trust(t.Context()))
	w.holds("without its key", 0)
	w.open()
	w.holds("without its key, after a restart", 0)
	w.keys = theirs
	must(t, w.box.Trust(t.Context()))
	w.holds("with its key again", 2)
	w.keys = settest.New(t, auth).Keys()
	must(t, os.RemoveAll(w.dir))
	if err := w.box.Trust(t.Context()); err == nil {
		t.Error("Trust without a folder = nil, want an error")
	}
	w.holds("though the folder could not be read", 0)
}

// P9: keys that are withdrawn while a set is on its way keep it out.
func TestP9TrustChangesWhileASetComes(t *testing.T) {
	w := newWorld(t, 1)
	l := newLine(w)
	theirs := w.keys
	l.change = func(id wire.BlobID, _ uint64, _ []byte) {
		if id == wire.BlobID(w.All[0].Head.Root) {
			w.keys = settest.New(t, auth).Keys()
		}
	}
	if err := w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}); err == nil {
		t.Error("Fetch of a set whose key was withdrawn = nil, want an error")
	}
	w.holds("without its key", 0)
	w.keys = theirs
	l.change = nil
	must(t, w.box.Fetch(t.Context(), l, []wire.SetOffer{w.Offer(0)}))
	w.holds("with its key again", 1)
}

// P1: whatever is being fetched, applied, damaged or believed anew meanwhile, each answer is one set's own.
func TestP7AnswersWhileSetsChange(t *testing.T) {
	w := newWorld(t, 5)
	must(t, w.load(false, w.All[0]))
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for last := uint64(1); ctx.Err() == nil; {
				a := w.box.Answer(idOf(t, auth, revoked), issuer)
				if a.Answer != record.AnswerRevoked || a.Number.N < last || !a.ThisUpdate.Equal(w.All[a.Number.N-1].Head.At()) {
					t.Errorf("Answer = %+v after number %d", a, last)
					return
				}
				last = a.Number.N
			}
		})
	}
	for n := 1; n < len(w.All); n++ {
		must(t, w.load(n%2 == 0, w.All[n]))
		must(t, w.box.Trust(t.Context()))
	}
	stop()
	asking.Wait()
	w.holds("in the end", 5)
}

// A tap's lookup leaves hardly anything for the collector.
func TestP1AnAnswerCostsHardlyAnyMemory(t *testing.T) {
	w := newWorld(t, 1)
	must(t, w.load(false, w.All[0]))
	id := idOf(t, auth, revoked)
	if n := testing.AllocsPerRun(100, func() { w.box.Answer(id, issuer) }); n > 1 {
		t.Errorf("Answer allocates %.0f times", n)
	}
}

// A set from the future moves the clock, when it comes and again after a restart.
func TestP8ASetFromTheFutureMovesTheClock(t *testing.T) {
	w := newWorld(t, 1)
	must(t, w.load(false, w.All[0]))
	w.learn = nil
	w.open()
	if len(w.learn) != 1 || !w.learn[0].Equal(w.All[0].Head.At()) {
		t.Errorf("learnt %v at the start, want %v", w.learn, w.All[0].Head.At())
	}
}

// What a tool sees beside the box is what the box uses, and the reason for what it does not use.
func TestPeek(t *testing.T) {
	w := newWorld(t, 2)
	must(t, w.load(false, w.All[0]))
	must(t, w.load(false, w.All[1]))
	files, err := revocation.Peek(w.dir, w.keys)
	must(t, err)
	if len(files) != 2 || files[0].Head.Number.N != 2 || files[1].Head.Number.N != 1 || files[0].Err != nil || files[1].Err != nil {
		t.Fatalf("Peek = %+v, want number 2 and then 1", files)
	}
	files, err = revocation.Peek(w.dir, sign.One{})
	must(t, err)
	for _, f := range files {
		if _, err := f.Open(); f.Err == nil || err == nil {
			t.Errorf("Peek without keys: number %d can be used", f.Head.Number.N)
		}
	}
}
