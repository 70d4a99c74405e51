package crlset_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"kazashi.example/sync/crlset"
)

// onDisk writes a set of several chunks to a file.
func onDisk(t *testing.T) (path string, sum crlset.Summary, entries []crlset.Entry, file []byte) {
	t.Helper()
	entries = shapes[0].list(rand.New(rand.NewPCG(6, 6)), 60_000)
	_, sum, file = build(t, entries, crlset.Full)
	path = filepath.Join(t.TempDir(), "set")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, sum, entries, file
}

func open(t *testing.T, path string, digests []byte) *crlset.Set {
	t.Helper()
	s, err := crlset.OpenFile(path, digests)
	if err != nil {
		t.Fatalf("OpenFile() = %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestP7MappedSetAnswersAsInMemory(t *testing.T) {
	path, sum, entries, _ := onDisk(t)
	for _, digests := range [][]byte{nil, sum.Digests} {
		s := open(t, path, digests)
		sameFound(t, s, entries[:2000], crlset.Full)
		sameSource(t, s.Source(), entries, crlset.Full)
		if err := s.Scrub(t.Context()); err != nil {
			t.Errorf("Scrub() = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Scrub(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Scrub() when cancelled = %v", err)
		}
	}
}

// TestP7FlippedOctetIsFoundAtFirstTouch: one bad octet spoils the answers of its chunk, and no others.
func TestP7FlippedOctetIsFoundAtFirstTouch(t *testing.T) {
	path, sum, entries, file := onDisk(t)
	bad := bytes.Clone(file)
	bad[crlset.ChunkSize+crlset.ChunkSize/2] ^= 0x10 // in the second chunk, which is blocks
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, sum.Digests)
	refused := 0
	for _, e := range entries {
		got, ok, err := s.Find(e.Key)
		switch {
		case errors.Is(err, crlset.ErrDigest):
			refused++
		case err != nil || !ok || got != e:
			t.Fatalf("Find() = %v, %v", ok, err)
		}
	}
	chunks := crlset.Chunks(sum.Size)
	if least, most := len(entries)/(2*chunks), 2*len(entries)/chunks; refused < least || refused > most {
		t.Errorf("%d of %d entries refused for one of %d chunks", refused, len(entries), chunks)
	}
	if err := s.Scrub(t.Context()); !errors.Is(err, crlset.ErrDigest) {
		t.Errorf("Scrub() = %v, want ErrDigest", err)
	}
	for _, at := range []int{0, len(file) - 1} {
		bad := bytes.Clone(file)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := crlset.OpenFile(path, sum.Digests); !errors.Is(err, crlset.ErrDigest) {
			t.Errorf("OpenFile() with octet %d flipped = %v, want ErrDigest", at, err)
		}
	}
}

// TestP7RotIsFoundByScrub: a chunk that was right once and is not any more answers no more after a scrub.
func TestP7RotIsFoundByScrub(t *testing.T) {
	path, sum, entries, file := onDisk(t)
	s := open(t, path, sum.Digests)
	for _, e := range entries {
		if _, ok, err := s.Find(e.Key); !ok || err != nil {
			t.Fatalf("Find() = %v, %v", ok, err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{file[100] ^ 1}, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrub(t.Context()); !errors.Is(err, crlset.ErrDigest) {
		t.Errorf("Scrub() = %v, want ErrDigest", err)
	}
	if _, _, err := s.Find(entries[0].Key); !errors.Is(err, crlset.ErrDigest) {
		t.Errorf("Find() in the rotten chunk = %v, want ErrDigest", err)
	}
}

// TestP7VanishingFileIsAnError: the kernel answers a touch behind the end of a mapped file with SIGBUS.
func TestP7VanishingFileIsAnError(t *testing.T) {
	path, sum, entries, _ := onDisk(t)
	for _, digests := range [][]byte{nil, sum.Digests} {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.WriteFile(copied, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, copied, digests)
		if err := os.Truncate(copied, 4096); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Find(entries[len(entries)/2].Key); !errors.Is(err, crlset.ErrUnreadable) {
			t.Errorf("Find() = %v, want ErrUnreadable", err)
		}
		if _, err := s.Source().Next(new(crlset.Entry)); !errors.Is(err, crlset.ErrUnreadable) {
			t.Errorf("Next() = %v, want ErrUnreadable", err)
		}
		if _, err := s.Entries(nil, s.Layout().Blocks()-1); !errors.Is(err, crlset.ErrUnreadable) {
			t.Errorf("Entries() = %v, want ErrUnreadable", err)
		}
		if err := s.Scrub(t.Context()); !errors.Is(err, crlset.ErrUnreadable) {
			t.Errorf("Scrub() = %v, want ErrUnreadable", err)
		}
		if _, err := crlset.OpenFile(copied, digests); !errors.Is(err, crlset.ErrFormat) {
			t.Errorf("OpenFile() of the rest = %v, want ErrFormat", err)
		}
	}
	if _, err := crlset.OpenFile(path+"s", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenFile() of no file = %v, want ErrNotExist", err)
	}
}

// TestCloseDuringLookups closes sets under goroutines that ask them, and waits until the map is gone.
func TestCloseDuringLookups(t *testing.T) {
	path, sum, entries, _ := onDisk(t)
	s, err := crlset.OpenFile(path, sum.Digests)
	if err != nil {
		t.Fatal(err)
	}
	var ready, done sync.WaitGroup
	for g := range 4 {
		ready.Add(1)
		done.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			for i := 0; ; i++ {
				e := entries[rng.IntN(len(entries))]
				got, ok, err := s.Find(e.Key)
				if i == 500 {
					ready.Done()
				}
				if errors.Is(err, os.ErrClosed) {
					return
				}
				if err != nil || !ok || got != e {
					t.Errorf("Find() = %v, %v", ok, err)
					return
				}
			}
		})
	}
	ready.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	done.Wait()
	if _, err := s.Source().Next(new(crlset.Entry)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next() after Close = %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
	s = nil
	for range 1000 {
		runtime.GC()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(maps), path) {
			return
		}
		runtime.Gosched()
	}
	t.Error("the closed set is still mapped")
}

// TestCloseNowGivesTheMapBackAtOnce: without a collection of garbage.
func TestCloseNowGivesTheMapBackAtOnce(t *testing.T) {
	path, sum, entries, _ := onDisk(t)
	s, err := crlset.OpenFile(path, sum.Digests)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.CloseNow(); err != nil {
			t.Errorf("CloseNow() = %v", err)
		}
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err != nil || strings.Contains(string(maps), path) {
		t.Errorf("after CloseNow the set is still mapped, or %v", err)
	}
	if _, _, err := s.Find(entries[0].Key); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Find() after CloseNow = %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close() after CloseNow = %v", err)
	}
}

// TestOpenReadsOnlyWhatItNeeds: with digests of zeros in all chunks but those of one answer, that answer comes.
func TestOpenReadsOnlyWhatItNeeds(t *testing.T) {
	path, sum, entries, _ := onDisk(t)
	digests := make([]byte, len(sum.Digests))
	for _, c := range []int{0, crlset.Chunks(sum.Size) - 1} {
		copy(digests[32*c:32*c+32], sum.Digests[32*c:])
	}
	s := open(t, path, digests)
	if e, ok, err := s.Find(entries[5].Key); e != entries[5] || !ok || err != nil {
		t.Errorf("Find() = %v, %v", ok, err)
	}
	if _, _, err := s.Find(entries[len(entries)/2].Key); !errors.Is(err, crlset.ErrDigest) {
		t.Errorf("Find() in a chunk without its digest = %v, want ErrDigest", err)
	}
}
