package courier_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "modernc.org/sqlite" // damages a journal

	"kazashi.example/appliance/courier"
	parcel "kazashi.example/sync/courier"
)

// P2: what somebody's PC calls a parcel of this box neither moves the box's numbers, nor is written over.
func TestP2AFilesNameStopsNoExport(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(3)
	stick := t.TempDir()
	folder := filepath.Join(stick, "KAZASHI", "up", b.id.String())
	must(t, os.MkdirAll(folder, 0o700))
	letter := []byte("KZPARCEL, says a letter")
	for _, n := range []int64{start.Unix(), start.Unix() + 1, 9_999_999_998} {
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%010d.kzu", n)), letter, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(folder, "9999999999.kzu"), nil, 0o600))
	if sum := b.export(stick); sum.Records != 3 {
		t.Errorf("Export = %+v, want 3 records", sum)
	}
	next := uint64(start.Unix()) + 2
	if !slices.ContainsFunc(b.names(stick, parcel.Up), func(n parcel.Name) bool { return n.N == next }) {
		t.Errorf("%v are on the stick, want number %d among them", b.names(stick, parcel.Up), next)
	}
	b.restart()
	clean := t.TempDir()
	b.export(clean)
	if all := b.names(clean, parcel.Up); len(all) != 1 || all[0].N != next+1 || c.take(clean) != 3 {
		t.Errorf("%v are on a clean stick, want number %d with 3 records", all, next+1)
	}
}

// P2: a clock that names a year without end, and a file that says it did, end no box's way by stick.
func TestP2NumbersOutliveAnyClock(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(1)
	for _, years := range []int{100, 1_000, -1_000, 0} {
		b.now = start.AddDate(years, 0, 0)
		b.export(t.TempDir())
		b.restart()
	}
	at := uint64(start.AddDate(100, 0, 0).Unix())
	stick := t.TempDir()
	b.export(stick)
	if all := b.names(stick, parcel.Up); len(all) != 1 || all[0].N != at+4 {
		t.Errorf("numbers are %v, want %d", all, at+4)
	}
	must(t, os.WriteFile(filepath.Join(b.dir, courier.FileBook), append([]byte{0xa2, 1, 1, 2, 0x1b}, 0, 0, 0, 2, 0x54, 0x0b, 0xe3, 0xff), 0o600))
	b.restart()
	stick = t.TempDir()
	b.export(stick)
	if all := b.names(stick, parcel.Up); len(all) != 1 || all[0].N != uint64(start.Unix()) {
		t.Errorf("numbers after a book that was tampered with are %v, want %d", all, start.Unix())
	}
}

// P2: a damaged parcel stays as long as what is whole of it may be the only copy, and is named; once it is elsewhere the parcel goes.
func TestP2ADamagedParcelMayBeTheOnlyCopy(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	for range 3 { // a run each
		b.tap(20)
		b.restart()
	}
	stick := t.TempDir()
	b.export(stick)
	name := b.names(stick, parcel.Up)[0]
	path := filepath.Join(stick, filepath.FromSlash(name.String()))
	octets, err := os.ReadFile(path)
	must(t, err)
	octets[300] ^= 1 // of the first part
	must(t, os.WriteFile(path, octets, 0o600))
	b.close()
	kept := t.TempDir()
	journal, err := filepath.Glob(filepath.Join(b.dir, "journal.db*"))
	must(t, err)
	for _, file := range journal {
		must(t, os.Rename(file, filepath.Join(kept, filepath.Base(file))))
	}
	b.open(false)
	b.tap(2)
	sum := b.export(stick)
	if len(sum.Refused) != 1 || sum.Refused[0].File != name.String() || !errors.Is(sum.Refused[0].Err, parcel.ErrDamaged) || sum.Removed != 0 || sum.Records != 2 {
		t.Errorf("Export(without them) = %+v, want the damaged file named and left", sum)
	}
	if !slices.Contains(b.names(stick, parcel.Up), name) {
		t.Fatal("the last copy of 40 records is gone")
	}
	b.close()
	for _, file := range journal {
		must(t, os.RemoveAll(file))
		if from := filepath.Join(kept, filepath.Base(file)); exists(from) {
			must(t, os.Rename(from, file))
		}
	}
	b.open(false)
	sum = b.export(stick)
	if len(sum.Refused) != 0 || sum.Removed != 1 || sum.Records != 60 || slices.Contains(b.names(stick, parcel.Up), name) {
		t.Errorf("Export(with them) = %+v, want all of them again and the damaged file gone", sum)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// P2: central was restored to before it had what the box has deleted since: a stick that lay in a drawer keeps the last copy, until central has it.
func TestP2AStickFromBeforeARestorationIsKept(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(10)
	one, two := t.TempDir(), t.TempDir()
	b.export(one)
	b.export(two)
	c.take(one)
	c.give(one, b)
	b.take(one)
	if n, err := b.journal.Prune(t.Context(), 1); err != nil || n < 10 {
		t.Fatalf("Prune = %d, %v", n, err)
	}
	r := c.boxes[b.id]
	r.held, r.order, c.epoch = nil, nil, 2
	c.give(two, b)
	before := b.names(two, parcel.Up)
	if sum := b.take(two); sum.Removed != 1 || !slices.Equal(b.names(two, parcel.Up), before) {
		t.Errorf("Import = %+v; %v are left of %v", sum, b.names(two, parcel.Up), before)
	}
	b.restart()
	b.export(two)
	if n := c.take(two); n != 10 || len(r.order) != 10 {
		t.Errorf("central took %d records and has %d, want 10", n, len(r.order))
	}
	c.give(two, b)
	if sum := b.take(two); sum.Removed == 0 {
		t.Errorf("Import(once central has them) = %+v, %v are left", sum, b.names(two, parcel.Up))
	}
}

// P2: a correction of the clock that is damaged on the box's disk stays there, and keeps no record from the stick.
func TestP2ADamagedCorrectionStopsNoExport(t *testing.T) {
	c := newCentral(t)
	b := newBox(t, c)
	b.tap(5)
	_, err := b.journal.Correct(t.Context(), "one", time.Hour, start)
	must(t, err)
	for _, damage := range []string{"zeroblob(7000)", "CAST(message || x'00' AS BLOB)"} {
		b.close()
		db, err := sql.Open("sqlite", filepath.Join(b.dir, "journal.db"))
		must(t, err)
		_, err = db.ExecContext(t.Context(), "INSERT INTO correction (message) SELECT "+damage+" FROM correction LIMIT 1")
		must(t, err)
		must(t, db.Close())
		b.open(false)
	}
	if all, err := b.journal.Corrections(t.Context()); err != nil || len(all) != 3 {
		t.Fatalf("Corrections = %d, %v, want 3", len(all), err)
	}
	stick := t.TempDir()
	if sum := b.export(stick); sum.Records != 5 || sum.Files != 1 {
		t.Errorf("Export = %+v, want 5 records", sum)
	}
	p, err := parcel.Open(filepath.Join(stick, b.names(stick, parcel.Up)[0].String()))
	must(t, err)
	defer p.Close()
	if got, want := p.Types(), []parcel.Type{parcel.TypeRun, parcel.TypeCorrection, parcel.TypeState}; !slices.Equal(got, want) {
		t.Errorf("Types = %v, want %v", got, want)
	}
}
