package invariant

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Files of a box's data directory.
const (
	fileJournal  = "journal.db"
	fileVerdicts = "desired.db"
	fileIdentity = "identity.key"
	markAside    = ".set-aside-"
)

// seqBits is the share of a row's id that is its number (the rest numbers epochs).
const seqBits = 40

// Levels in a journal's table of runs.
const (
	levelReceived = 1
	levelSafe     = 2
	levelGone     = 100
	levelMissing  = 101 // of a past epoch: never came here
)

// boxFacts is a box's journal.
type boxFacts struct {
	path    string
	box     id128
	device  []byte
	central uint64 // central epoch of the newest acknowledgement
	epochs  []*written
	db      *sql.DB
}

// written is an epoch in a journal.
type written struct {
	n      int64 // below 0: a past one, taken over from elsewhere, of which records may be missing
	head   head
	known  uint64
	first  uint64 // first row that is still there
	last   uint64
	chains map[uint64]hash
	here   map[uint64]bool // with its octets
	runs   map[int64][]run
}

// run is numbers from first to last.
type run struct{ first, last uint64 }

func has(runs []run, seq uint64) bool {
	return slices.ContainsFunc(runs, func(r run) bool { return seq >= r.first && seq <= r.last })
}

func (c *checker) readBox(ctx context.Context, n int) error {
	dir := c.places.Boxes[n].Dir
	b := &boxFacts{path: filepath.Join(dir, fileJournal), device: c.places.Boxes[n].Device}
	if err := c.readJournal(ctx, b, dir); err != nil {
		return err
	}
	c.boxes = append(c.boxes, b)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		beside := slices.ContainsFunc([]string{"-wal", "-shm", ".read"}, func(tail string) bool { return strings.HasSuffix(name, tail) })
		if strings.HasPrefix(name, fileJournal+markAside) && !beside {
			c.readAside(ctx, b, filepath.Join(dir, name))
		}
	}
	c.waiting(b, c.places.Boxes[n].Waits)
	return nil
}

// readJournal reads the journal in use. None at all is one that never began.
func (c *checker) readJournal(ctx context.Context, b *boxFacts, dir string) error {
	if _, err := os.Stat(b.path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := c.database(b.path)
	if err != nil {
		return err
	}
	if !c.sound(ctx, db, b.path) {
		return nil
	}
	b.db = db
	var box []byte
	if err := db.QueryRowContext(ctx, "SELECT box, central_epoch FROM meta").Scan(&box, &b.central); err != nil {
		return fmt.Errorf("reading whose journal it is: %w", err)
	}
	if err := fill(b.box[:], box); err != nil {
		return err
	}
	c.shown[b.box] = true
	if err := c.deviceOf(b, dir); err != nil {
		return err
	}
	if err := c.readEpochs(ctx, b); err != nil {
		return fmt.Errorf("reading epochs: %w", err)
	}
	if err := c.readRuns(ctx, b); err != nil {
		return fmt.Errorf("reading what is acknowledged: %w", err)
	}
	if err := c.readRecords(ctx, b); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	c.lineage(b)
	c.runs(b)
	if err := c.secondHeaders(ctx, b); err != nil {
		return fmt.Errorf("reading the second copies of headers: %w", err)
	}
	return c.corrections(ctx, b)
}

// deviceOf finds the key that must have signed: the caller's word, central's, or the box's own file.
func (c *checker) deviceOf(b *boxFacts, dir string) error {
	if len(b.device) == 0 {
		b.device = c.devices[b.box]
	}
	if len(b.device) > 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, fileIdentity))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var file struct {
		Device []byte `cbor:"3,keyasint"`
	}
	if err == nil {
		err = cbor.Unmarshal(text, &file)
	}
	if err != nil || len(file.Device) == 0 { // in a TPM, or not ours to read
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(file.Device)
	if private, ok := key.(*ecdsa.PrivateKey); ok && err == nil {
		b.device, err = x509.MarshalPKIXPublicKey(&private.PublicKey)
	}
	return err
}

func (c *checker) readEpochs(ctx context.Context, b *boxFacts) error {
	return each(ctx, b.db, func(scan func(...any) error) error {
		var w written
		var id, msg []byte
		if err := scan(&w.n, &id, &msg, &w.known); err != nil {
			return err
		}
		h, err := openHeader(b.device, msg)
		switch {
		case err != nil:
			c.violate(Header, b.path, "epoch number %d: %v", w.n, err)
			return nil
		case string(id) != string(h.epoch[:]) || h.box != b.box:
			c.violate(Header, b.path, "epoch number %d: the header is of epoch %s of box %s", w.n, h.epoch.short(), h.box.short())
			return nil
		}
		w.head, w.chains, w.here, w.runs = h, map[uint64]hash{}, map[uint64]bool{}, map[int64][]run{}
		c.header(h, b.path)
		b.epochs = append(b.epochs, &w)
		return nil
	}, "SELECT n, id, header, known FROM epoch ORDER BY n")
}

// secondHeaders wants the second copies of headers, which outlive damage to the first, to be the same.
func (c *checker) secondHeaders(ctx context.Context, b *boxFacts) error {
	return each(ctx, b.db, func(scan func(...any) error) error {
		var n int64
		if err := scan(&n); err != nil {
			return err
		}
		c.violate(Header, b.path, "epoch number %d: its header does not stand there twice", n)
		return nil
	}, `SELECT n FROM epoch e WHERE NOT EXISTS (SELECT 1 FROM header h WHERE h.n = e.n AND h.id = e.id AND h.header = e.header)
		UNION ALL SELECT n FROM header h WHERE NOT EXISTS (SELECT 1 FROM epoch e WHERE h.n = e.n)`)
}

func (b *boxFacts) byN(n int64) *written {
	for _, w := range b.epochs {
		if w.n == n {
			return w
		}
	}
	return nil
}

func (c *checker) readRuns(ctx context.Context, b *boxFacts) error {
	return each(ctx, b.db, func(scan func(...any) error) error {
		var n, level int64
		var r run
		if err := scan(&n, &level, &r.first, &r.last); err != nil {
			return err
		}
		if w := b.byN(n); w != nil {
			w.runs[level] = append(w.runs[level], r)
		}
		return nil
	}, "SELECT epoch, level, first, last FROM held ORDER BY epoch, level, first")
}

func (c *checker) readRecords(ctx context.Context, b *boxFacts) error {
	var w *written
	return each(ctx, b.db, func(scan func(...any) error) error {
		var id int64
		var chain, octets []byte
		if err := scan(&id, &chain, &octets); err != nil {
			return err
		}
		n, seq := id>>seqBits, uint64(id&(1<<seqBits-1)) //nolint:gosec // a share of a positive number
		if w == nil || w.n != n {
			w = b.byN(n)
		}
		if w == nil {
			c.violate(Header, b.path, "a record of epoch number %d, which has no header", n)
			return nil
		}
		c.row(b, w, seq, chain, octets)
		return nil
	}, "SELECT id, chain, envelope FROM record ORDER BY id")
}

// row looks at one record of a journal, in the order of numbers.
func (c *checker) row(b *boxFacts, w *written, seq uint64, chain, octets []byte) {
	at := number{w.head.epoch, seq}
	var value hash
	if err := fill(value[:], chain); err != nil {
		c.violate(Chained, b.path, "record %s: chain value: %v", at, err)
		return
	}
	before, linked := w.before(seq)
	from := w.last + 1
	if w.first == 0 && w.n > 0 {
		from = seq // what was before is forgotten: see lineage
	}
	for lacks := from; lacks < seq; lacks++ {
		if !has(w.runs[levelMissing], lacks) {
			c.violate(Numbered, b.path, "record %s follows number %d", at, w.last)
			break
		}
	}
	if w.first == 0 {
		w.first = seq
	}
	w.last, w.chains[seq], w.here[seq] = seq, value, octets != nil
	if e := c.epoch(w.head.epoch); seq > e.end || e.end == seq {
		e.end, e.named = seq, false
	}
	if octets == nil {
		c.found(at, hash{}, b.path).gone = true
		return
	}
	e, err := openEnvelope(octets)
	switch {
	case err != nil:
		c.violate(Chained, b.path, "record %s: %v", at, err)
		return
	case e.epoch != w.head.epoch || e.seq != seq:
		c.violate(Numbered, b.path, "record %s: its envelope is of %s", at, number{e.epoch, e.seq})
	case linked && e.previous != before:
		c.violate(Chained, b.path, "record %s does not continue the one before", at)
	case e.after != value:
		c.violate(Chained, b.path, "record %s: the chain value after it is another", at)
	}
	c.found(at, e.sum, b.path).waits = true
}

// before is the chain value before a number, false if it is not known here.
func (w *written) before(seq uint64) (hash, bool) {
	if seq == 1 {
		return w.head.root, true
	}
	h, ok := w.chains[seq-1]
	return h, ok
}

// end is the chain value after the last record.
func (w *written) end() hash {
	if w.last == 0 {
		return w.head.root
	}
	return w.chains[w.last]
}

// lineage holds each header against the epoch before it. Rows are forgotten oldest first, so only the oldest epoch may lack some.
func (c *checker) lineage(b *boxFacts) {
	own := b.own()
	for i, w := range own {
		at := w.head.epoch.short()
		if i > 0 && w.first > 1 {
			c.violate(Numbered, b.path, "epoch %s begins with number %d", at, w.first)
		}
		h := w.head
		switch {
		case i == 0: // what was before is forgotten, or was never here
		case h.lineage != lineageKnown:
			c.violate(Predecessor, b.path, "epoch %s names none before it, and %s is here", at, own[i-1].head.epoch.short())
		default:
			p := own[i-1]
			if h.before != p.head.epoch || h.last != p.last || h.beforeHead != p.end() {
				c.violate(Predecessor, b.path, "epoch %s names %s, %s is the one before", at, number{h.before, h.last}, number{p.head.epoch, p.last})
			}
		}
	}
}

// runs holds what a journal counts as acknowledged and deleted against itself: deleted is safe, safe is received.
func (c *checker) runs(b *boxFacts) {
	for _, w := range b.epochs {
		at := w.head.epoch.short()
		for level, runs := range w.runs {
			end := uint64(0)
			for _, r := range runs {
				if r.first <= end || r.last < r.first || r.last > w.last {
					c.violate(Acknowledged, b.path, "epoch %s: level %d has the run %d to %d", at, level, r.first, r.last)
				}
				end = r.last
			}
		}
		for seq := max(1, w.first); seq <= w.last; seq++ {
			received, safe, gone := has(w.runs[levelReceived], seq), has(w.runs[levelSafe], seq), has(w.runs[levelGone], seq)
			switch n := (number{w.head.epoch, seq}); {
			case safe && !received:
				c.violate(Acknowledged, b.path, "record %s counts as safe and not as received", n)
			case has(w.runs[levelMissing], seq):
			case gone && !safe:
				c.violate(Deleted, b.path, "record %s counts as deleted and not as safe", n)
			case !gone && !w.here[seq]:
				c.violate(Deleted, b.path, "record %s is deleted and never was safe", n)
			}
		}
	}
}

// corrections verifies what the box says of its clock.
func (c *checker) corrections(ctx context.Context, b *boxFacts) error {
	return each(ctx, b.db, func(scan func(...any) error) error {
		var n int64
		var msg []byte
		if err := scan(&n, &msg); err != nil {
			return err
		}
		if _, err := openSigned(b.device, purposeCorrection, msg); err != nil {
			c.violate(Header, b.path, "correction %d: %v", n, err)
		}
		return nil
	}, "SELECT n, message FROM correction ORDER BY n")
}

// readAside takes whole records from a journal that was set aside. It was damaged, so that nothing in it is a violation by itself but a
// number that is sealed with other octets elsewhere.
func (c *checker) readAside(ctx context.Context, b *boxFacts, path string) {
	c.asides[b.box]++
	db, err := c.database(path)
	if err != nil {
		return
	}
	heads := map[id128]bool{}
	_ = each(ctx, db, func(scan func(...any) error) error {
		var msg []byte
		if err := scan(&msg); err != nil {
			return err
		}
		if h, err := openHeader(b.device, msg); err == nil && h.box == b.box {
			heads[h.epoch] = true
			c.header(h, path)
		}
		return nil
	}, "SELECT header FROM epoch ORDER BY n") // as far as it can be read
	_ = each(ctx, db, func(scan func(...any) error) error {
		var octets []byte
		if err := scan(&octets); err != nil {
			return err
		}
		if e, err := openEnvelope(octets); err == nil && heads[e.epoch] {
			c.found(number{e.epoch, e.seq}, e.sum, path).aside = true
		}
		return nil
	}, "SELECT envelope FROM record WHERE envelope IS NOT NULL ORDER BY id")
}
