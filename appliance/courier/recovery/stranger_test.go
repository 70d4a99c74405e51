package recovery_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // damages a journal

	"kazashi.example/appliance/courier/recovery"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// runOn is the only run of the parcels on a stick.
func (d *dying) runOn(stick string) (run courier.Run) {
	d.t.Helper()
	s, err := courier.Find(stick)
	must(d.t, err)
	defer s.Close()
	names, err := s.Parcels(courier.Recovered, d.id)
	must(d.t, err)
	p, err := s.Open(names[0])
	must(d.t, err)
	defer p.Close()
	for part, err := range p.Parts() {
		must(d.t, err)
		run, err = part.Run()
		must(d.t, err)
	}
	return run
}

// P2: nobody signs a recovered parcel; what somebody forged on the stick keeps no record on a disk that will be scrapped.
func TestP2AForgedParcelHidesNothing(t *testing.T) {
	d := newDying(t)
	disk := d.live(100)
	honest := t.TempDir()
	_, err := recovery.Recover(t.Context(), disk, honest, nil)
	must(t, err)
	run := d.runOn(honest)
	head, err := run.Epoch()
	must(t, err)
	other := run // octets of the right length, and a chain that leads to its end
	other.Sealed, other.After = nil, run.Previous
	for i, sealed := range run.Sealed {
		e := epoch.Envelope{
			Version: epoch.Version, Epoch: head.Header.Epoch, Seq: record.Seq(i + 1), Previous: other.After, Sealed: make([]byte, len(sealed)),
		}
		b, err := e.Encode()
		must(t, err)
		other.Sealed, other.After = append(other.Sealed, e.Sealed), other.After.Next(b)
	}
	thief := newDying(t)
	thief.id = d.id
	stranger := t.TempDir()
	_, err = recovery.Recover(t.Context(), thief.live(1), stranger, nil)
	must(t, err)
	for name, forged := range map[string]courier.Run{
		"other records":         other,
		"under another header":  thief.runOn(stranger),
		"of a part, cut behind": {Header: run.Header, First: 1, Previous: run.Previous, Sealed: other.Sealed[:50], After: run.After},
	} {
		stick := t.TempDir()
		s, err := courier.Make(stick)
		must(t, err)
		w, err := s.Writer(courier.Config{Kind: courier.Recovered, Box: d.id, Next: func() (uint64, error) { return 9_999_999_999, nil }})
		must(t, err)
		must(t, w.Run(forged))
		must(t, w.Close())
		must(t, s.Close())
		r, err := recovery.Recover(t.Context(), disk, stick, nil)
		if err != nil || r.Records != 100 || r.Known != 0 || len(r.Parcels) != 1 {
			t.Errorf("%s: Recover = %d records, %d known, %v, want 100 and none", name, r.Records, r.Known, err)
		}
	}
}

// P2: a correction of the clock that is damaged costs itself and no record.
func TestP2ADamagedCorrectionCostsNoRecord(t *testing.T) {
	d := newDying(t)
	d.live(100)
	db, err := sql.Open("sqlite", filepath.Join(d.dir, "journal.db"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO correction (n, message) VALUES (1, zeroblob(9000));
		UPDATE epoch SET correction = 1; PRAGMA wal_checkpoint(TRUNCATE)`)
	must(t, err)
	must(t, db.Close())
	r, err := recovery.Recover(t.Context(), d.dir, t.TempDir(), nil)
	if err != nil || r.Records != 100 || r.Corrections != 0 {
		t.Errorf("Recover = %d records, %d corrections, %v, want 100 and none", r.Records, r.Corrections, err)
	}
}

// P2: what somebody's PC calls a recovered parcel ends no recovery.
func TestP2AFilesNameStopsNoRecovery(t *testing.T) {
	d := newDying(t)
	disk := d.live(10)
	stick := t.TempDir()
	folder := filepath.Join(stick, "KAZASHI", "up", d.id.String())
	must(t, os.MkdirAll(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "9999999999.kzr"), nil, 0o600))
	r, err := recovery.Recover(t.Context(), disk, stick, nil)
	if err != nil || r.Records != 10 || len(r.Parcels) != 1 {
		t.Errorf("Recover = %+v, %v, want 10 records", r, err)
	}
}
