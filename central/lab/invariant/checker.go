package invariant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database driver
)

// ErrViolated is what Report.Err wraps.
var ErrViolated = errors.New("invariants are violated")

// number is one record's id.
type number struct {
	epoch id128
	seq   uint64
}

func (n number) String() string { return fmt.Sprintf("%s/%d", n.epoch.short(), n.seq) }

// copies is where the sealed record of a number was found.
type copies struct {
	sum   hash // of its octets, where they are known
	known bool
	where string // found there first

	waits         bool // in a box's journal, with its octets
	aside         bool // in a journal that was set aside
	gone          bool // a box deleted it
	held, applied bool // central
}

// epochFacts is what is known of an epoch in all places together.
type epochFacts struct {
	head  *head
	box   id128
	end   uint64 // the greatest number that is proved: by a journal, by a record that central applied, by a successor's header
	named bool   // some of that by a successor alone
}

// checker is one walk over everything.
type checker struct {
	places  Places
	report  Report
	scratch string
	open    []*sql.DB

	epochs  map[id128]*epochFacts
	numbers map[number]*copies
	devices map[id128][]byte         // by box, as central has them
	breaks  map[id128]map[id128]bool // by box: epochs whose headers say that the journal before was lost or set aside
	asides  map[id128]int            // by box: journals that were set aside, where they lie
	shown   map[id128]bool           // boxes whose journals were read
	central *centralFacts
	boxes   []*boxFacts
}

func newChecker(p Places) (*checker, error) {
	dir, err := os.MkdirTemp("", "kazashi-invariant-")
	if err != nil {
		return nil, fmt.Errorf("making room for copies: %w", err)
	}
	return &checker{
		places: p, scratch: dir, epochs: map[id128]*epochFacts{}, numbers: map[number]*copies{},
		devices: map[id128][]byte{}, breaks: map[id128]map[id128]bool{}, asides: map[id128]int{}, shown: map[id128]bool{},
	}, nil
}

func (c *checker) close() error {
	var errs []error
	for _, db := range c.open {
		errs = append(errs, db.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.scratch))...)
}

// all reads central first, for it knows the devices.
func (c *checker) all(ctx context.Context) error {
	if c.places.Central != "" {
		if err := c.readCentral(ctx); err != nil {
			return fmt.Errorf("reading central: %w", err)
		}
	}
	for n := range c.places.Boxes {
		if err := c.readBox(ctx, n); err != nil {
			return fmt.Errorf("reading box %d: %w", n+1, err)
		}
	}
	if c.central != nil {
		if err := c.meet(ctx); err != nil {
			return err
		}
	}
	c.ends()
	return c.taps(ctx)
}

func (c *checker) violate(r Rule, where, format string, a ...any) {
	c.report.Violations = append(c.report.Violations, Violation{r, filepath.Base(filepath.Dir(where)) + "/" + filepath.Base(where), fmt.Sprintf(format, a...)})
}

// database opens a copy of a database with its write-ahead log.
func (c *checker) database(path string) (*sql.DB, error) {
	to := filepath.Join(c.scratch, fmt.Sprintf("%d.db", len(c.open)))
	for _, tail := range []string{"", "-wal"} {
		if err := copyFile(path+tail, to+tail); err != nil && (tail == "" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("copying %s: %w", path+tail, err)
		}
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: to, RawQuery: "_pragma=synchronous(OFF)&_pragma=cell_size_check(ON)"}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	c.open = append(c.open, db)
	return db, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// sound is SQLite's own check; a database that fails it is not looked at further.
func (c *checker) sound(ctx context.Context, db *sql.DB, path string) bool {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		verdict = err.Error()
	}
	if verdict != "ok" {
		c.violate(Whole, path, "integrity_check: %s", verdict)
	}
	return verdict == "ok"
}

// each runs a query and hands each row to take.
func each(ctx context.Context, db *sql.DB, take func(scan func(...any) error) error, query string, args ...any) (err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := take(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// epoch is what is known of an epoch so far.
func (c *checker) epoch(id id128) *epochFacts {
	e := c.epochs[id]
	if e == nil {
		e = &epochFacts{}
		c.epochs[id] = e
	}
	return e
}

// header notes a header that was verified; the same epoch may have only one.
func (c *checker) header(h head, where string) *epochFacts {
	e := c.epoch(h.epoch)
	if e.head != nil && e.head.root != h.root {
		c.violate(Header, where, "epoch %s has another header elsewhere", h.epoch.short())
	}
	if e.head == nil {
		c.report.Epochs++
	}
	e.head, e.box = &h, h.box
	if h.lineage == lineageKnown {
		b := c.epoch(h.before)
		if b.head == nil {
			b.box = h.box
		}
		if h.last > b.end {
			b.end, b.named = h.last, true
		}
	}
	if h.lineage == lineageUnknown || h.cause == causeSetAside {
		if c.breaks[h.box] == nil {
			c.breaks[h.box] = map[id128]bool{}
		}
		c.breaks[h.box][h.epoch] = true
	}
	return e
}

// found notes a sealed record; no two may have one number.
func (c *checker) found(n number, sum hash, where string) *copies {
	k := c.numbers[n]
	if k == nil {
		k = &copies{}
		c.numbers[n] = k
		c.report.Records++
	}
	if sum == (hash{}) {
		return k
	}
	if k.known && k.sum != sum {
		c.violate(SealedOnce, where, "record %s has other octets than in %s", n, k.where)
	}
	if !k.known {
		k.sum, k.known, k.where = sum, true, where
	}
	return k
}
