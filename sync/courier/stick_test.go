package courier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/wire"
)

// written puts one up parcel of a state on a stick.
func written(t testing.TB, w *world, s *courier.Stick) courier.Name {
	t.Helper()
	wr, err := s.Writer(w.up())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(wr.State(courier.State{}), wr.Close()); err != nil {
		t.Fatal(err)
	}
	return wr.Names()[0]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindRefuses(t *testing.T) {
	if _, err := courier.Find(t.TempDir()); !errors.Is(err, courier.ErrNotStick) {
		t.Errorf("Find(another's stick) = %v, want ErrNotStick", err)
	}
	if _, err := courier.Find(filepath.Join(t.TempDir(), "none")); !errors.Is(err, courier.ErrGone) {
		t.Errorf("Find(no folder) = %v, want ErrGone", err)
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "KAZASHI"), []byte("a letter"), 0o600))
	if s, err := courier.Find(dir); err == nil {
		if _, err := s.Boxes(courier.Up); !errors.Is(err, courier.ErrIrregular) {
			t.Errorf("Boxes(a file for a folder) = %v, want ErrIrregular", err)
		}
		must(t, s.Close())
	} else if !errors.Is(err, courier.ErrIrregular) {
		t.Errorf("Find(a file for a folder) = %v, want ErrIrregular", err)
	}
}

// P10: nothing on a stick leads anywhere else.
func TestP10LinksAreRefused(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	n := written(t, w, s)
	outside := t.TempDir()
	there := filepath.Join(dir, n.String())
	elsewhere := filepath.Join(outside, "parcel")
	must(t, os.Rename(there, elsewhere))
	for name, put := range map[string]func() error{
		"a link to a parcel": func() error { return os.Symlink(elsewhere, there) },
		"a link that dangles": func() error {
			return os.Symlink(filepath.Join(outside, "none"), there)
		},
		"a named pipe": func() error { return syscall.Mkfifo(there, 0o600) },
		"a folder":     func() error { return os.Mkdir(there, 0o700) },
	} {
		must(t, put())
		if _, err := s.Open(n); !errors.Is(err, courier.ErrIrregular) {
			t.Errorf("Open(%s) = %v, want ErrIrregular", name, err)
		}
		must(t, os.Remove(there))
	}
	blobs := filepath.Join(dir, "KAZASHI", "blobs")
	must(t, os.Symlink(outside, blobs))
	source := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
	if _, err := s.PutBlob(t.Context(), wire.Blob{ID: wire.BlobID{1}, Size: 1}, source); !errors.Is(err, courier.ErrIrregular) {
		t.Errorf("PutBlob(through a link) = %v, want ErrIrregular", err)
	}
	if _, err := s.Blob(t.Context(), wire.BlobID{1}, 0); !errors.Is(err, courier.ErrIrregular) {
		t.Errorf("Blob(through a link) = %v, want ErrIrregular", err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside are %d files, %v, want 1", len(left), err)
	}
}

// FAT does not mind the case of names, and who copies changes it.
func TestNamesInAnyCase(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	n := written(t, w, s)
	must(t, s.Close())
	for _, part := range []string{n.String(), filepath.Dir(n.String()), "KAZASHI/up", "KAZASHI"} {
		base := filepath.Base(part)
		odd := strings.ToUpper(base)
		if odd == base {
			odd = strings.ToLower(base)
		}
		must(t, os.Rename(filepath.Join(dir, part), filepath.Join(dir, filepath.Dir(part), odd)))
	}
	s, err := courier.Find(dir)
	must(t, err)
	defer s.Close()
	boxes, err := s.Boxes(courier.Up)
	if err != nil || len(boxes) != 1 || boxes[0] != w.box {
		t.Fatalf("Boxes = %v, %v, want %v", boxes, err, w.box)
	}
	names, err := s.Parcels(courier.Up, w.box)
	if err != nil || len(names) != 1 || names[0] != n {
		t.Fatalf("Parcels = %v, %v, want %v", names, err, n)
	}
	p, err := s.Open(n)
	must(t, err)
	must(t, p.Close())
	second := written(t, w, s)
	if names, err = s.Parcels(courier.Up, w.box); err != nil || len(names) != 2 || names[1] != second {
		t.Errorf("Parcels = %v, %v, want the second beside the first", names, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("%d folders, %v, want one", len(all), err)
	}
	must(t, s.Remove(names...))
	if names, err = s.Parcels(courier.Up, w.box); err != nil || len(names) != 0 {
		t.Errorf("Parcels = %v, %v, want none", names, err)
	}
}

// Names that are not ours are passed over.
func TestOtherNamesArePassedOver(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	n := written(t, w, s)
	folder := filepath.Join(dir, filepath.Dir(n.String()))
	for _, name := range []string{
		"1.kzu", "00000000001.kzu", "0000000000.kzu", "+000000001.kzu", "0000000001.kzd", "0000000001.kzu.bak", "._0000000001.kzu", "Thumbs.db",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(dir, "KAZASHI", "up", "System Volume Information"), 0o700))
	if names, err := s.Parcels(courier.Up, w.box); err != nil || len(names) != 1 {
		t.Errorf("Parcels = %v, %v, want one", names, err)
	}
	if boxes, err := s.Boxes(courier.Up); err != nil || len(boxes) != 1 {
		t.Errorf("Boxes = %v, %v, want one", boxes, err)
	}
}

// A folder with very many files is looked at as far as the bound and no further.
func TestCrowded(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	n := written(t, w, s)
	folder := filepath.Join(dir, filepath.Dir(n.String()))
	for i := range courier.MaxEntries { // one file under many names is quicker made
		must(t, os.Link(filepath.Join(dir, n.String()), filepath.Join(folder, fmt.Sprintf("%d.txt", i))))
	}
	if _, err := s.Parcels(courier.Up, w.box); !errors.Is(err, courier.ErrCrowded) {
		t.Errorf("Parcels = %v, want ErrCrowded", err)
	}
	if _, err := s.Writer(w.up()); !errors.Is(err, courier.ErrCrowded) {
		t.Errorf("Writer = %v, want ErrCrowded", err)
	}
	p, err := s.Open(n) // whose name is known
	must(t, err)
	must(t, p.Close())
	full := folder // a stick of photographs has as many files, and none of ours
	if _, err := courier.Find(full); !errors.Is(err, courier.ErrNotStick) {
		t.Errorf("Find(photographs) = %v, want ErrNotStick", err)
	}
	among, err := courier.Make(full)
	must(t, err)
	written(t, w, among)
	must(t, among.Close())
}

// A stick that is pulled while a parcel is written costs that parcel, and is named.
func TestPulledWhileWriting(t *testing.T) {
	w := newWorld(t)
	head, envelopes := w.records(t, 3, 60)
	run, err := courier.Pack(head.Message, envelopes)
	must(t, err)
	for name, at := range map[string]int{"before the first part": 0, "between two parts": 1, "before the end": 2} {
		dir := t.TempDir()
		s, err := courier.Make(dir)
		must(t, err)
		wr, err := s.Writer(w.up())
		must(t, err)
		steps := []func() error{
			func() error { return wr.Run(run) }, func() error { return wr.State(courier.State{}) }, wr.Close,
		}
		var errs []error
		for i, step := range steps {
			if i == at {
				must(t, os.RemoveAll(dir))
			}
			errs = append(errs, step())
		}
		if err := errors.Join(errs...); !errors.Is(err, courier.ErrGone) {
			t.Errorf("pulled %s: %v, want ErrGone", name, err)
		}
		wr.Abort()
		if len(wr.Names()) != 0 {
			t.Errorf("pulled %s: %v are said to be whole", name, wr.Names())
		}
		if _, err := s.Parcels(courier.Up, w.box); !errors.Is(err, courier.ErrGone) {
			t.Errorf("Parcels(pulled %s) = %v, want ErrGone", name, err)
		}
		must(t, s.Close())
	}
}

// A row of parcels rolls over, each whole by itself; a half written one is removed by the next writer.
func TestARowRollsOver(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	wr, err := s.Writer(w.up())
	must(t, err)
	head, envelopes := w.records(t, 60, 12<<10)
	run, err := courier.Pack(head.Message, envelopes)
	must(t, err)
	for range 50 {
		must(t, wr.Run(run))
	}
	wr.Abort()
	if len(wr.Names()) != 1 {
		t.Fatalf("%d parcels are whole, want 1", len(wr.Names()))
	}
	left := filepath.Join(dir, filepath.Dir(wr.Names()[0].String()), "0000000007.part")
	must(t, os.WriteFile(left, []byte("x"), 0o600))
	wr, err = s.Writer(w.up())
	must(t, err)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("a half written parcel is still there: %v", err)
	}
	for range 50 {
		must(t, wr.Run(run))
	}
	must(t, wr.Close())
	names, err := s.Parcels(courier.Up, w.box)
	if err != nil || len(names) != 3 {
		t.Fatalf("Parcels = %v, %v, want three", names, err)
	}
	runs := 0
	for _, n := range names {
		p, err := s.Open(n)
		must(t, err)
		if p.Size > courier.MaxParcel {
			t.Errorf("%s has %d octets", n, p.Size)
		}
		runs += len(p.Covers)
		must(t, p.Close())
	}
	if runs <= 90 {
		t.Errorf("%d runs are on the stick", runs)
	}
}

func TestBlobs(t *testing.T) {
	s, dir := makeStick(t)
	octets := bytes.Repeat([]byte("set "), 100_000)
	b := wire.Blob{ID: wire.BlobID(epoch.Hash{7}), Size: uint64(len(octets))}
	source := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(octets)), nil }
	half := filepath.Join(dir, "KAZASHI", "blobs", "aa.part")
	must(t, os.Mkdir(filepath.Dir(half), 0o700))
	must(t, os.WriteFile(half, octets, 0o600))
	for i, want := range []bool{true, false} {
		if wrote, err := s.PutBlob(t.Context(), b, source); err != nil || wrote != want {
			t.Errorf("PutBlob(time %d) = %v, %v, want %v", i+1, wrote, err, want)
		}
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("a half written file is still there: %v", err)
	}
	path := filepath.Join(dir, "KAZASHI", "blobs", b.ID.String())
	spoilt := bytes.Clone(octets)
	spoilt[300_000] ^= 1
	must(t, os.WriteFile(path, spoilt, 0o600))
	if wrote, err := s.PutBlob(t.Context(), b, source); err != nil || !wrote {
		t.Errorf("PutBlob(over a spoilt one) = %v, %v", wrote, err)
	}
	r, err := s.Blob(t.Context(), b.ID, 399_990)
	must(t, err)
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, octets[399_990:]) {
		t.Errorf("Blob(from 399990) = %q, %v", rest, err)
	}
	must(t, r.Close())
	if ids, err := s.Blobs(); err != nil || len(ids) != 1 || ids[0] != b.ID {
		t.Errorf("Blobs = %v, %v", ids, err)
	}
	must(t, s.DropBlob(b.ID))
	if _, err := s.Blob(t.Context(), b.ID, 0); !errors.Is(err, courier.ErrMissing) {
		t.Errorf("Blob(none) = %v, want ErrMissing", err)
	}
	short := wire.Blob{ID: wire.BlobID{8}, Size: b.Size + 1}
	if _, err := s.PutBlob(t.Context(), short, source); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("PutBlob(too short) = %v, want ErrUnexpectedEOF", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.PutBlob(ended, b, source); !errors.Is(err, context.Canceled) {
		t.Errorf("PutBlob(ended) = %v, want context.Canceled", err)
	}
	if ids, err := s.Blobs(); err != nil || len(ids) != 0 {
		t.Errorf("Blobs = %v, %v, want none", ids, err)
	}
}
