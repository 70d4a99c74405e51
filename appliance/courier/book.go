package courier

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/wire"
)

// FileBook is the courier's file in the data directory: the number of the last parcel, and what was said with the last ones.
const FileBook = "courier.cbor"

// Caps of the file.
const (
	maxBook   = 64 << 10
	maxStates = 16
)

// latest bounds what counts as a clock's seconds, and so as a number that was ever given: 2200-01-01. A parcel's number has ten digits.
const latest = 7_258_118_400

// book is what outlives a restart.
type book struct {
	Version uint8  `cbor:"1,keyasint"`
	Last    uint64 `cbor:"2,keyasint"`           // number of the last parcel that was begun
	States  []said `cbor:"3,keyasint,omitempty"` // newest last; those that said outcomes of orders
}

// said is which outcomes the state of one parcel had.
type said struct {
	N    uint64           `cbor:"1,keyasint"`
	Done []wire.OrderDone `cbor:"2,keyasint"` // without certificates
}

func readBook(dir string, log *slog.Logger) (book, error) {
	path := filepath.Join(dir, FileBook)
	empty := book{Version: 1}
	if err := durable.RemoveLeft(path); err != nil {
		return empty, fmt.Errorf("clearing up the courier's file: %w", err)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("reading the courier's file: %w", err)
	}
	var k book
	if err := canon.Decode(b, &k, maxBook); err != nil || k.Version != 1 || k.Last > latest {
		log.Error("the courier's file is damaged; parcels are numbered by the clock", slog.Any("error", err))
		return empty, nil
	}
	return k, nil
}

func (c *Courier) keep(k book) error {
	b, err := canon.Encode(k)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(c.Dir, FileBook), b, 0o600); err != nil {
		return err
	}
	c.book = k
	return nil
}

// next gives a number above all before: the clock's, so that a box that was restored, or lost its file, reuses none, and none that a file on the
// stick bears. Where the box's disk takes nothing any more, a stick may be the last way out for its records, and the clock alone must do.
func (c *Courier) next(there map[uint64]bool) (uint64, error) {
	k := c.book
	k.Last++
	if now := c.Now().Unix(); now > 0 && now <= latest {
		k.Last = max(k.Last, uint64(now))
	}
	for there[k.Last] {
		k.Last++
	}
	if err := c.keep(k); err != nil {
		c.Log.Error("the number of a parcel could not be kept; the clock stands in for it", slog.Any("error", err))
		c.book = k
	}
	return k.Last, nil
}

// above sees to it that the next number is above one that the box gave. Whoever calls it has seen a signature: anybody can name a file.
func (c *Courier) above(n uint64) {
	if n <= latest {
		c.book.Last = max(c.book.Last, n)
	}
}

// stated keeps what the state of a parcel said of orders, until central is known to have it. Should that fail, it is said again.
func (c *Courier) stated(n uint64, done []wire.OrderDone) {
	if len(done) == 0 {
		return
	}
	s := said{N: n}
	for _, d := range done {
		s.Done = append(s.Done, wire.OrderDone{Order: d.Order, Outcome: d.Outcome})
	}
	k := c.book
	k.States = append(slices.Clone(k.States), s)
	k.States = k.States[max(0, len(k.States)-maxStates):]
	if err := c.keep(k); err != nil {
		c.Log.Error("what was said of orders could not be kept; it is said again", slog.Any("error", err))
	}
}

// heard notes that central had the state of a parcel. It may know a higher number than the box, which was set back since: what the box says
// under one below that would count for nothing.
func (c *Courier) heard(n uint64) error {
	was := c.book.Last
	c.above(n)
	i := slices.IndexFunc(c.book.States, func(s said) bool { return s.N == n })
	if i < 0 && c.book.Last == was {
		return nil
	}
	if i < 0 {
		return c.keep(c.book)
	}
	if err := c.Link.Told(c.book.States[i].Done); err != nil {
		return fmt.Errorf("noting what central knows of orders: %w", err)
	}
	k := c.book
	k.States = slices.DeleteFunc(slices.Clone(k.States), func(s said) bool { return s.N <= n })
	return c.keep(k)
}
