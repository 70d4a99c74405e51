package bench

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// JournalConfig says how much [RunJournal] measures.
type JournalConfig struct {
	Config
	Records int // that wait, are compacted and carried; 0: a million, or 50,000 when quick
}

// JournalFigures are the names of the figures that a run of RunJournal owes.
func JournalFigures() []string {
	return []string{
		"journal_append_p50_us", "journal_append_p99_us", "bare_insert_p50_us", "bare_insert_p99_us", "journal_append_vs_bare_insert", "disk_fsync_p50_us",
		"journal_records_s", "journal_one_records_s", "bare_insert_records_s", "journal_group_gain_8",
		"journal_open_1m_ms", "journal_open_1m_cold_ms", "journal_verify_1m_s", "journal_bytes_per_record",
		"tap_stall_during_maintenance_vs_quiet", "tap_stall_during_maintenance_vs_quiet_p99", "tap_quiet_p50_us", "tap_quiet_p99_us",
		"tap_maintenance_p50_us", "tap_maintenance_p99_us", "journal_compact_1m_s",
		"courier_records_s", "courier_read_records_s", "courier_bytes_per_record", "courier_bytes_per_record_unsigned", "courier_bytes_per_record_pin",
	}
}

// Sizes of a run.
const (
	fullRecords  = 1_000_000
	quickRecords = 50_000
	perEpoch     = 1000
	readers      = 8
)

// journalRun is one run of RunJournal.
type journalRun struct {
	*run
	records int
	warm    int // appends before any is timed: until the write-ahead logs have stopped growing, which costs more than writing over them
	pairs   int // of an append and a bare insert, in each block
	blocks  int
	quiet   int // taps without maintenance before it is the other's turn
	busy    int // taps with it; more, so that it comes to its end
	box     writingBox
}

// RunJournal measures the box's journal beside a bare insert into SQLite and the disk's flush, in turn in the same run: appends by one reader and by
// eight, opening with a million records that wait, taps while they are compacted, and the parcels that a courier carries. No other program is
// started. Like [Run] it goes on after a measurement that failed, and its error names what is missing. ErrMemoryDisk before anything is done.
func RunJournal(ctx context.Context, c JournalConfig) (err error) {
	r := &journalRun{run: &run{Config: c.Config, owed: JournalFigures()}, records: cmp.Or(c.Records, fullRecords), warm: 1200, pairs: 200, blocks: 15, quiet: 150, busy: 600}
	if c.Quick {
		r.records, r.warm, r.pairs, r.blocks, r.quiet, r.busy = cmp.Or(c.Records, quickRecords), 200, 50, 5, 30, 60
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	if err := r.describeJournal(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.box, err = newWritingBox(); err != nil {
		return fmt.Errorf("making a box: %w", err)
	}
	return errors.Join(r.perform(ctx, []measurement{
		{"appending", r.measureAppend},
		{"appending by several", r.measureGroup},
		{"a journal with many records", r.measureMany},
		{"parcels of a courier", r.measureCourier},
	}), r.missing())
}

// describeJournal says on what machine and of what; ErrMemoryDisk.
func (r *journalRun) describeJournal() error {
	kind, device, err := fileSystem(r.Dir)
	if err != nil {
		return err
	}
	if kind == "tmpfs" || kind == "ramfs" {
		return fmt.Errorf("%s is %s: %w", r.Dir, kind, ErrMemoryDisk)
	}
	r.describeMachine()
	fmt.Fprintf(r.Out, "# files on %s (%s) below %s\n", kind, device, r.Dir)
	fmt.Fprintf(r.Out, "# records: taps of enrolled people who prove themselves by their card, its signature of 256 octets included; %d an epoch\n", perEpoch)
	fmt.Fprintf(r.Out, "# bare insert: a row of one blob of the same size, SQLite in WAL mode with synchronous=FULL, by the same driver\n")
	if r.records != fullRecords {
		fmt.Fprintf(r.Out, "# the figures called 1m are of %d records\n", r.records)
	}
	return nil
}

// writingBox is a box as far as its journal goes.
type writingBox struct {
	device  *ecdsa.PrivateKey
	id      record.BoxID
	public  seal.PublicKey
	private seal.PrivateKey
}

func newWritingBox() (writingBox, error) {
	device, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	private, err2 := seal.GenerateKey()
	if err := errors.Join(err1, err2); err != nil {
		return writingBox{}, err
	}
	return writingBox{device, record.NewBoxID(), private.Public(), private}, nil
}

// open opens a journal of the run by its name.
func (r *journalRun) open(ctx context.Context, name string) (*journal.Journal, error) {
	return journal.Open(ctx, r.path(name), journal.Options{
		Device: r.box.device, Box: r.box.id, Fresh: true, Log: r.Log,
		Recipient: func() (seal.PublicKey, error) { return r.box.public, nil },
	})
}

func (r *journalRun) path(name string) string { return filepath.Join(r.dir, name) }
