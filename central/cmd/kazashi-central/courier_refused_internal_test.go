package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// badSector cannot be read in its middle.
type badSector struct {
	octets   []byte
	from, to int64
}

func (r badSector) ReadAt(p []byte, at int64) (int, error) {
	if at < r.to && at+int64(len(p)) > r.from {
		return 0, syscall.EIO
	}
	return bytes.NewReader(r.octets).ReadAt(p, at)
}

// reader answers every parcel that comes whole.
func reader(t *testing.T) *admin.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	check(t, err)
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_ = json.NewEncoder(w).Encode(admin.Parcel{Kind: "up", Records: 1, New: 1})
		}
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { check(t, srv.Close()) })
	return admin.NewClient(socket)
}

// One unreadable block of a stick is refused by the name of its file, and what comes after it is taken.
func TestP10ABadSectorKeepsNothingElseOut(t *testing.T) {
	k, err := seal.GenerateKey()
	check(t, err)
	b := simbox.New(t, k.Public())
	e := b.Start(t, epoch.CauseStart)
	var all [][]byte
	for i := range byte(50) {
		e.Tap(t, simbox.Card(1, i))
	}
	for _, r := range e.Records {
		all = append(all, r.Bytes)
	}
	dir := t.TempDir()
	s, err := courier.Make(dir)
	check(t, err)
	defer s.Close()
	w, err := s.Writer(courier.Config{
		Kind: courier.Up, Box: b.ID, Next: func() (uint64, error) { return 2, nil }, Now: time.Now, Signer: b.Device,
	})
	check(t, err)
	run, err := courier.Pack(e.Signed.Message, all)
	check(t, err)
	check(t, w.Run(run))
	check(t, w.Close())
	octets, err := os.ReadFile(filepath.Join(dir, w.Names()[0].String()))
	check(t, err)
	var out, bad bytes.Buffer
	tk := &taking{client: reader(t), out: &out, err: &bad, at: &progress{}}
	for _, r := range []io.ReaderAt{badSector{octets, 1000, 1512}, bytes.NewReader(octets)} {
		p, err := courier.Read(r, int64(len(octets)))
		check(t, err)
		if _, err = tk.take(t.Context(), "1.kzu", p); err != nil {
			t.Errorf("take() = %v, want it refused by name", err)
		}
	}
	if tk.parcels != 1 || len(tk.refused.files) != 1 || !strings.Contains(bad.String(), "1.kzu: "+"reading a parcel: "+courier.ErrDamaged.Error()) {
		t.Errorf("%d parcels, refused %+v, said %q", tk.parcels, tk.refused.files, bad.String())
	}
}

// What a box says in its newest parcel counts, which is taken first.
func TestWaitingIsTheNewestWord(t *testing.T) {
	for _, try := range []struct {
		first, then string
	}{{"taken", "older"}, {"older", "older"}, {"taken", ""}} {
		var b takenBox
		b.add(admin.Parcel{Said: try.first, Waiting: 3})
		b.add(admin.Parcel{Said: try.then, Waiting: 500})
		if b.Waiting != 3 || b.Said != try.first {
			t.Errorf("after %s and %s: %q, %d waiting, want %q, 3", try.first, try.then, b.Said, b.Waiting, try.first)
		}
	}
}

// A stick full of small files is told of in a few lines, and what is good on it is found.
func TestP10AStickFullOfSmallFiles(t *testing.T) {
	dir := t.TempDir()
	const boxes, each = 20, 30
	for range boxes {
		d := filepath.Join(dir, "KAZASHI", "up", record.NewBoxID().String())
		check(t, os.MkdirAll(d, 0o700))
		for n := range each {
			check(t, os.WriteFile(filepath.Join(d, fmt.Sprintf("%010d.kzu", n+1)), nil, 0o600))
		}
	}
	var out, bad bytes.Buffer
	tk := &taking{out: &out, err: &bad, at: &progress{}}
	check(t, tk.all(t.Context(), []string{dir}))
	if err := tk.sum(false, false); err == nil || len(tk.refused.files) != maxRefusedKind || tk.refused.more != boxes*each-maxRefusedKind {
		t.Errorf("sum() = %v, %d refusals and %d more", err, len(tk.refused.files), tk.refused.more)
	}
	if n := strings.Count(bad.String(), "\n"); n != maxRefusedKind+1 || !strings.Contains(bad.String(), "500 more") {
		t.Errorf("%d lines, the last %q", n, bad.String()[max(0, bad.Len()-60):])
	}
	s, err := courier.Find(dir)
	check(t, err)
	defer s.Close()
	box, err := s.Boxes(courier.Up)
	check(t, err)
	names, err := tk.newest(s, courier.Up, box[0], 4)
	if err != nil || len(names) != 4 || names[0].N != each {
		t.Errorf("newest(4) = %v, %v", names, err)
	}
}

// A status of a stick on which something cannot be read is an error, however it is printed.
func TestLookSaysWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	d := filepath.Join(dir, "KAZASHI", "up", record.NewBoxID().String())
	check(t, os.MkdirAll(d, 0o700))
	check(t, os.WriteFile(filepath.Join(d, "0000000001.kzu"), nil, 0o600))
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		if err := lookAt(&out, dir, asJSON); err == nil || !strings.Contains(out.String(), courier.ErrHalf.Error()) {
			t.Errorf("lookAt(json %t) = %v, %q", asJSON, err, out.String())
		}
	}
}

// On the stick of a swap the dead box's last word comes before the request that ends its service, and the new box's after it.
func TestTheOrderOfAStick(t *testing.T) {
	dir := t.TempDir()
	dead, spare, known := record.NewBoxID(), record.NewBoxID(), record.NewBoxID()
	for _, f := range []string{
		"up/" + dead.String() + "/0000000001.kzu", "up/" + dead.String() + "/0000000002.kzu", "up/" + spare.String() + "/0000000003.kzu",
		"join/" + spare.String() + ".kzj", "join/" + known.String() + ".kzj", "join/" + known.String() + ".kza", "up/" + known.String() + "/0000000004.kzu",
	} {
		path := filepath.Join(dir, "KAZASHI", filepath.FromSlash(f))
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, nil, 0o600))
	}
	s, err := courier.Find(dir)
	check(t, err)
	defer s.Close()
	all, err := (&taking{out: io.Discard, err: io.Discard, at: &progress{}}).names(s)
	check(t, err)
	at := func(k courier.Kind, b record.BoxID, n uint64) int {
		i := slices.Index(all, courier.Name{Kind: k, Box: b, N: n})
		if i < 0 {
			t.Fatalf("%s %d of %s is not among %v", k, n, b, all)
		}
		return i
	}
	asks := at(courier.Joining, spare, 0)
	if at(courier.Up, dead, 2) > at(courier.Up, dead, 1) || at(courier.Up, dead, 1) > asks || at(courier.Up, known, 4) > asks || asks > at(courier.Up, spare, 3) {
		t.Errorf("names() = %v", all)
	}
	if at(courier.Joining, known, 0); len(all) != 6 {
		t.Errorf("%d names, want 6", len(all))
	}
}
