package chunk_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"kazashi.example/sync/chunk"
)

var faults = chunk.Faults{
	Format: errors.New("format"), Digest: errors.New("digest"), Unreadable: errors.New("unreadable"), Closed: os.ErrClosed,
}

func octets(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(b)
	return b
}

// written is a file with its digests.
func written(t *testing.T, b []byte) (path string, digests []byte) {
	t.Helper()
	var out bytes.Buffer
	w := chunk.NewWriter(&out)
	for rest := b; len(rest) > 0; {
		n := min(len(rest), 10_007)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	digests, err := w.Close()
	if err != nil || w.Size() != uint64(len(b)) || !bytes.Equal(out.Bytes(), b) {
		t.Fatalf("written %d octets of %d, %v", out.Len(), len(b), err)
	}
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, digests
}

func TestDigestsAreThoseOfTheChunks(t *testing.T) {
	b := octets(2*chunk.Size + 17)
	_, digests := written(t, b)
	if len(digests) != 3*sha256.Size || chunk.Count(uint64(len(b))) != 3 {
		t.Fatalf("%d octets of digests", len(digests))
	}
	last := sha256.Sum256(b[2*chunk.Size:])
	if !bytes.Equal(digests[2*sha256.Size:], last[:]) {
		t.Error("the last digest is not that of the rest")
	}
	root := chunk.Root("a", uint64(len(b)), digests)
	if root == chunk.Root("b", uint64(len(b)), digests) || root == chunk.Root("a", uint64(len(b))-1, digests) {
		t.Error("the root does not hang on domain and size")
	}
}

// P9: a chunk is compared when it is first touched, and what is right answers beside what is not.
func TestP9AWrongChunkIsRefusedWhenItIsTouched(t *testing.T) {
	b := octets(3*chunk.Size + 5)
	path, digests := written(t, b)
	spoilt := bytes.Clone(b)
	spoilt[chunk.Size+9] ^= 1
	if err := os.WriteFile(path, spoilt, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := chunk.Open(path, 1, faults)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Judge(uint64(len(b)), digests); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, n uint64
		want    error
	}{
		{0, 100, nil},
		{chunk.Size - 1, 1, nil},
		{chunk.Size - 1, 2, faults.Digest},
		{chunk.Size, 1, faults.Digest},
		{2 * chunk.Size, chunk.Size + 5, nil},
		{0, uint64(len(b)), faults.Digest},
	} {
		if err := m.Guard(func() error { return m.Need(c.from, c.n) }); !errors.Is(err, c.want) {
			t.Errorf("Need(%d, %d) = %v, want %v", c.from, c.n, err, c.want)
		}
	}
	if m.Whole() {
		t.Error("Whole() with a wrong chunk")
	}
	if err := m.CloseNow(); err != nil {
		t.Fatal(err)
	}
	if err := m.Compare(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Compare(closed) = %v, want ErrClosed", err)
	}
}

// A file that was cut short under the map is a fault of the disk, and ends no process.
func TestACutFileIsAFaultNotACrash(t *testing.T) {
	b := octets(4 * chunk.Size)
	path, digests := written(t, b)
	m, err := chunk.Open(path, 1, faults)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Judge(uint64(len(b)), digests), os.Truncate(path, chunk.Size)); err != nil {
		t.Fatal(err)
	}
	if err := m.Compare(3); !errors.Is(err, faults.Unreadable) {
		t.Errorf("Compare = %v, want the fault of the disk", err)
	}
	holder := new(int)
	chunk.Close(m, holder)
	runtime.KeepAlive(holder)
	if err := m.Compare(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Compare(closed) = %v, want ErrClosed", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	path, digests := written(t, octets(chunk.Size))
	if _, err := chunk.Open(path, chunk.Size+1, faults); !errors.Is(err, faults.Format) {
		t.Errorf("Open(too short) = %v", err)
	}
	if _, err := chunk.Open(filepath.Dir(path), 1, faults); !errors.Is(err, faults.Format) {
		t.Errorf("Open(folder) = %v", err)
	}
	if _, err := chunk.Open(path+"x", 1, faults); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open(nothing) = %v", err)
	}
	m, err := chunk.Open(path, 1, faults)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 31, 64} {
		if err := m.Judge(chunk.Size, append(digests, digests...)[:n]); !errors.Is(err, faults.Format) {
			t.Errorf("Judge(%d octets of digests) = %v", n, err)
		}
	}
	if err := m.Judge(chunk.Size+1, append(digests, digests...)); !errors.Is(err, faults.Format) {
		t.Errorf("Judge(more than there is) = %v", err)
	}
}

// P9: a map is whole from when its last chunk was found right until one is found wrong or it is closed.
func TestP9WholeOnlyWhileAllIsRight(t *testing.T) {
	b := octets(70*chunk.Size + 5)
	path, digests := written(t, b)
	m, err := chunk.Open(path, 1, faults)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Whole() {
		t.Error("a trusted map is not whole")
	}
	if err := m.Judge(uint64(len(b)), digests); err != nil {
		t.Fatal(err)
	}
	for c := range uint64(chunk.Count(uint64(len(b)))) {
		if m.Whole() {
			t.Fatalf("whole before chunk %d was compared", c)
		}
		if err := errors.Join(m.Compare(c), m.Compare(c)); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Whole() {
		t.Error("not whole after all chunks were compared")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(octet byte) {
		if _, err := f.WriteAt([]byte{octet}, 3*chunk.Size); err != nil {
			t.Fatal(err)
		}
	}
	spoil(^b[3*chunk.Size])
	for range 2 {
		if err := m.Compare(3); !errors.Is(err, faults.Digest) || m.Whole() {
			t.Errorf("Compare = %v, whole %v", err, m.Whole())
		}
	}
	spoil(b[3*chunk.Size])
	if err := errors.Join(m.Compare(3), f.Close()); err != nil || !m.Whole() {
		t.Errorf("Compare = %v, whole %v, of what is right again", err, m.Whole())
	}
	if err := m.CloseNow(); err != nil || m.Whole() {
		t.Errorf("CloseNow = %v, whole %v", err, m.Whole())
	}
}
