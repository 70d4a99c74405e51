package mine_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make room in a journal as housekeeping does

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/journal/mine"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

const pageSize = 4096

// written is a journal on the disk, and what is in it.
type written struct {
	path string
	all  map[record.ID]bool
}

// write makes a journal of several epochs; some records are so long that they flow over to other pages. It is an image of the disk, with its log.
func write(t *testing.T, records int) written {
	t.Helper()
	key, err := seal.GenerateKey()
	must(t, err)
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	path, box := filepath.Join(t.TempDir(), "journal.db"), record.NewBoxID()
	public := key.Public()
	j, err := journal.Open(t.Context(), path, journal.Options{
		Device: device, Box: box, Fresh: true, Recipient: func() (seal.PublicKey, error) { return public, nil },
	})
	must(t, err)
	w := written{path: filepath.Join(t.TempDir(), "image.db"), all: map[record.ID]bool{}}
	for n := range records {
		if n%20 == 19 {
			j.Renew(epoch.CauseClock)
		}
		plain := make([]byte, 200)
		if n%7 == 3 {
			plain = make([]byte, 9000)
		}
		id, err := j.Append(t.Context(), plain, journal.Clear{
			Tap: record.NewTapID(), Time: time.Unix(int64(n), 0), Desk: "desk-1", Service: "lending",
			Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Code: "2K7M",
		})
		must(t, err)
		w.all[id] = true
		if n == records*2/3 {
			must(t, j.Close()) // what was before is in the database, what follows in the log
			j, err = journal.Open(t.Context(), path, journal.Options{
				Device: device, Box: box, Recipient: func() (seal.PublicKey, error) { return public, nil },
			})
			must(t, err)
		}
	}
	for _, tail := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + tail)
		must(t, err)
		must(t, os.WriteFile(w.path+tail, b, 0o600))
	}
	must(t, j.Close())
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read mines a file and adds up.
func read(t *testing.T, path string) (records map[record.ID]bool, total mine.Found) {
	t.Helper()
	s, err := mine.Open(path)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	records = map[record.ID]bool{}
	for r, err := range s.Records(t.Context()) {
		must(t, err)
		records[r.ID()] = true
	}
	found, err := s.Report(t.Context())
	must(t, err)
	for _, f := range found {
		total.Whole += f.Whole
		total.Damaged += f.Damaged
		total.Deleted += f.Deleted
	}
	return records, total
}

func TestP2EverythingIsFoundInASoundFile(t *testing.T) {
	w := write(t, 120)
	got, total := read(t, w.path)
	if len(got) != len(w.all) || total.Whole != uint64(len(w.all)) || total.Damaged != 0 {
		t.Errorf("found %d records of %d; %+v", len(got), len(w.all), total)
	}
}

// TestP2OnePageDestroyed: whichever page it is, what stood elsewhere is found, and what is gone is counted.
func TestP2OnePageDestroyed(t *testing.T) {
	w := write(t, 60)
	before, err := os.ReadFile(w.path)
	must(t, err)
	for page := range len(before) / pageSize {
		b := append([]byte(nil), before...)
		_, _ = rand.Read(b[page*pageSize : (page+1)*pageSize])
		must(t, os.WriteFile(w.path, b, 0o600))
		got, total := read(t, w.path)
		for id := range got {
			if !w.all[id] {
				t.Fatalf("page %d: found %s, which nobody wrote", page+1, id)
			}
		}
		if lost := len(w.all) - len(got); lost > 20 || page == 0 && lost != 0 || uint64(lost) < total.Damaged {
			t.Errorf("page %d: %d records lost, %d of them counted", page+1, lost, total.Damaged)
		}
	}
}

// TestP2WhatTheDiskDoesNotGiveIsPassedOver: a log that fails at every octet costs what stood in it and no more.
func TestP2WhatTheDiskDoesNotGiveIsPassedOver(t *testing.T) {
	w := write(t, 60)
	s, err := mine.Open(w.path)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	must(t, s.BlindLog(w.path))
	got := map[record.ID]bool{}
	for r, err := range s.Records(t.Context()) {
		must(t, err)
		got[r.ID()] = true
	}
	log, err := os.Stat(w.path + "-wal")
	must(t, err)
	if frames := uint64(log.Size()-32) / (24 + pageSize); s.Unreadable() != frames || frames == 0 {
		t.Errorf("Unreadable() = %d, want %d", s.Unreadable(), frames)
	}
	must(t, os.Remove(w.path+"-wal"))
	if want, _ := read(t, w.path); len(got) == 0 || len(got) != len(want) {
		t.Errorf("found %d records with a log that cannot be read, want the %d of the database", len(got), len(want))
	}
}

func TestP2LogCutOff(t *testing.T) {
	w := write(t, 60)
	whole, _ := read(t, w.path)
	log, err := os.ReadFile(w.path + "-wal")
	must(t, err)
	last := len(whole)
	for size := len(log); size >= 0; size -= 3 * pageSize {
		must(t, os.Truncate(w.path+"-wal", int64(size)))
		got, _ := read(t, w.path)
		if len(got) > last || len(got) < len(whole)*2/3 {
			t.Errorf("log of %d octets: %d records, %d with a longer one", size, len(got), last)
		}
		last = len(got)
	}
	must(t, os.Remove(w.path))
	must(t, os.WriteFile(w.path+"-wal", log, 0o600))
	if got, _ := read(t, w.path); len(got) < len(whole)/4 {
		t.Errorf("the log alone gives %d records of %d", len(got), len(whole))
	}
}

// TestDeletedRecordsDoNotComeBack: what housekeeping deleted, and pages that it freed, are told from damage.
func TestDeletedRecordsDoNotComeBack(t *testing.T) {
	w := write(t, 60)
	db, err := sql.Open("sqlite", w.path)
	must(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE record SET envelope = NULL WHERE id < (4 << 40); DELETE FROM record WHERE id < (2 << 40);
		DELETE FROM epoch WHERE n < 2`)
	must(t, errors.Join(err, db.Close()))
	got, total := read(t, w.path)
	if total.Damaged != 0 || total.Whole != uint64(len(got)) || len(got) >= len(w.all) || total.Deleted == 0 {
		t.Errorf("%d of %d records, %+v; want none damaged", len(got), len(w.all), total)
	}
}

func TestNothingToMine(t *testing.T) {
	if _, err := mine.Open(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, mine.ErrNothing) {
		t.Errorf("Open(nothing) = %v, want ErrNothing", err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink("/dev/zero", link))
	if _, err := mine.Open(link); err == nil || errors.Is(err, mine.ErrNothing) {
		t.Errorf("Open(link) = %v, want a refusal", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := mine.Open(write(t, 3).path)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	if _, err := s.Epochs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Epochs(ended) = %v, want context.Canceled", err)
	}
}

// FuzzMine: whatever is on the disk, reading it ends, and every record that comes is whole.
func FuzzMine(f *testing.F) {
	f.Add([]byte("SQLite format 3\x00"), []byte{})
	f.Add(make([]byte, pageSize), make([]byte, 32+24+pageSize))
	leaf := make([]byte, pageSize)
	leaf[0], leaf[4], leaf[9] = 0x0d, 1, 200
	copy(leaf[200:], "\x81\x00\x01\x0b\x00\x4c\x00\x2c\x01\x01\x01\x01\x01\x01")
	f.Add(append(make([]byte, pageSize), leaf...), []byte{})
	f.Fuzz(func(t *testing.T, main, log []byte) {
		path := filepath.Join(t.TempDir(), "f.db")
		must(t, os.WriteFile(path, main, 0o600))
		must(t, os.WriteFile(path+"-wal", log, 0o600))
		s, err := mine.Open(path)
		must(t, err)
		defer func() { must(t, s.Close()) }()
		for r, err := range s.Records(t.Context()) {
			must(t, err)
			if e, err := epoch.DecodeEnvelope(r.Bytes); err != nil || e.ID() != r.ID() || e.Previous.Next(r.Bytes) != r.Chain {
				t.Errorf("record %s is not whole: %v", r.ID(), err)
			}
		}
		if _, err := s.Report(t.Context()); err != nil {
			t.Error(fmt.Errorf("reporting: %w", err))
		}
	})
}
