package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestOpenTwiceIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := sqlite.Open(t.Context(), dir, now); !errors.Is(err, store.ErrBusy) {
		t.Errorf("Open of an open database = %v, want %v", err, store.ErrBusy)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Errorf("after closing: %v", err)
	}
}

func TestOpenRefusesWhatIsDamagedOrForeign(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, sqlite.FileDatabase)
	db := open(t, dir)
	fill(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	middle := append([]byte(nil), good...)
	copy(middle[len(middle)/2&^4095:], bytes.Repeat([]byte{0xff}, 4096))
	otherID := append([]byte(nil), good...)
	otherID[68]++ // application id (https://sqlite.org/fileformat2.html §1.3)
	for name, bad := range map[string][]byte{
		"overwritten page": middle, "cut": good[:len(good)/2], "empty": {}, "no database": []byte("hello"), "another program's": otherID,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sqlite.Open(t.Context(), dir, now)
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("Open = %v, want %v", err, store.ErrDamaged)
			}
			if err == nil {
				t.Error(db.Close())
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(after, bad) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
		})
	}
}

// A crash while the database was being made leaves a part under another name; the next start makes it whole.
func TestOpenAfterACrashWhileMaking(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqlite.FileDatabase+".new"), []byte("part"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir)
	defer func() { _ = db.Close() }()
	var central uint64
	if err := db.View(t.Context(), func(tx store.Tx) (err error) { central, err = tx.CentralEpoch(); return err }); err != nil {
		t.Fatal(err)
	}
	if central != uint64(now.Unix()) {
		t.Errorf("CentralEpoch = %d, want %d: the time of the first start", central, now.Unix())
	}
	if i, err := os.Stat(filepath.Join(dir, sqlite.FileDatabase)); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v %v, want 0600", i.Mode(), err)
	}
}

func fill(t *testing.T, db *sqlite.DB) {
	t.Helper()
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		b := simbox.New(t, k.Public())
		if err := db.Update(t.Context(), func(tx store.Tx) error { return tx.AddBox(b.Row(t)) }); err != nil {
			t.Fatal(err)
		}
	}
}

// An Update is whole or nothing, and a View neither writes nor sees half of one.
func TestUpdateIsWholeOrNothing(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b := simbox.New(t, k.Public())
	stop := errors.New("stop")
	err = db.Update(t.Context(), func(tx store.Tx) error { return errors.Join(tx.AddBox(b.Row(t)), stop) })
	if !errors.Is(err, stop) {
		t.Errorf("Update = %v, want %v", err, stop)
	}
	find := func(tx store.Tx) error { _, err := tx.Box(b.ID); return err }
	if err := db.View(t.Context(), find); !errors.Is(err, store.ErrNone) {
		t.Errorf("Box after a failed update = %v, want %v", err, store.ErrNone)
	}
	add := func(tx store.Tx) error { return tx.AddBox(b.Row(t)) }
	if err := db.View(t.Context(), add); err == nil {
		t.Error("a View wrote")
	}
	if err := db.Update(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), add); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the same box again = %v, want %v", err, store.ErrTaken)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Update(ended, find); err == nil {
		t.Error("Update with an ended context did something")
	}
}

// Numbers of acknowledgements are never given twice, and what is safe never falls.
func TestNumbersOnlyRise(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	var a, b uint64
	var safe store.Marks
	err := db.Update(t.Context(), func(tx store.Tx) (err error) {
		if a, err = tx.ReserveAcks(10); err != nil {
			return err
		}
		if b, err = tx.ReserveAcks(1); err != nil {
			return err
		}
		if err := errors.Join(tx.SetSafe(store.Marks{Epoch: 5, Envelope: 7}), tx.SetSafe(store.Marks{Epoch: 4, Envelope: 9, Subject: 1})); err != nil {
			return err
		}
		safe, err = tx.Safe()
		return err
	})
	if err != nil || a != 1 || b != 11 {
		t.Errorf("ReserveAcks = %d, %d %v, want 1 and 11", a, b, err)
	}
	if want := (store.Marks{Epoch: 5, Envelope: 9, Subject: 1}); safe != want {
		t.Errorf("Safe = %+v, want %+v", safe, want)
	}
}

// What is held is given back as it came, once.
func TestHeldHeadersKeepTheirFields(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	want := store.HeldHeader{Box: record.NewBoxID(), Epoch: record.NewEpochID(), Message: []byte{1}, Carrier: sign.KeyID{2}, Received: now}
	var got []store.HeldHeader
	err := db.Update(t.Context(), func(tx store.Tx) (err error) {
		if err := errors.Join(tx.HoldHeader(want), tx.HoldHeader(want)); err != nil {
			return err
		}
		got, err = tx.HeldHeaders(want.Box)
		return err
	})
	if err != nil || len(got) != 1 || got[0].Box != want.Box || got[0].Carrier != want.Carrier || !got[0].Received.Equal(now) {
		t.Errorf("HeldHeaders = %+v %v, want [%+v]", got, err, want)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.FindEnvelope(record.ID{Epoch: want.Epoch, Seq: 1}, epoch.Hash{})
		return err
	})
	if !errors.Is(err, store.ErrNone) {
		t.Errorf("FindEnvelope = %v, want %v", err, store.ErrNone)
	}
}
