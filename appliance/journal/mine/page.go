package mine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"kazashi.example/sync/epoch"
)

// The database file format: https://www.sqlite.org/fileformat2.html; the sections are named where they count.
const (
	pageSize    = 4096 // of every journal; §1.3.2
	fileHeader  = 100  // before the b-tree of page 1; §1.3
	leafTable   = 0x0d // kind of a page: leaf of a table; §1.6
	leafHeader  = 8    // §1.6
	logHeader   = 32   // §4.1
	frameHeader = 24   // §4.1
)

// maxSpilled bounds the cells of one page that flow over to others: each has nearly 500 octets on its own. A page that says otherwise would have
// other pages read thousands of times.
const maxSpilled = pageSize / 480

// maxPayload bounds a row, in octets: an envelope or a header and small things.
const maxPayload = 2*epoch.MaxEnvelope + pageSize

// restEvery is the number of pages between two rests: one mebibyte.
const restEvery = 1 << 20 / pageSize

// errEnough says that whoever reads wants no more.
var errEnough = errors.New("enough")

// row is the row of a table.
type row struct {
	id      int64
	current bool  // not on a page that is free or has a newer copy
	columns []any // nil, int64, []byte or string
}

// index finds the newest place of each page in the log, and which pages are free. Frames are taken without regard to their checksums: what
// counts is what a row proves. Those of the log's time before have other salts (§4.1). Where the log's header cannot be read, the first frame's count.
func (s *Source) index(ctx context.Context) error {
	var log [logHeader]byte
	known := s.log != nil && reads(s.log, log[:], 0)
	err := s.frames(ctx, func(head []byte, at int64) error {
		number := binary.BigEndian.Uint32(head)
		if !known && number != 0 {
			known = true
			copy(log[16:24], head[8:16])
		}
		if number != 0 && bytes.Equal(log[16:24], head[8:16]) {
			s.newest[number] = at
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.freelist()
	return nil
}

// freelist follows the list of free pages (§1.5), as far as it makes sense.
func (s *Source) freelist() {
	page := make([]byte, pageSize)
	if !s.page(1, page) {
		return
	}
	trunk := binary.BigEndian.Uint32(page[32:])
	for trunk != 0 && !s.free[trunk] && s.page(trunk, page) {
		s.free[trunk] = true
		count := min(binary.BigEndian.Uint32(page[4:]), pageSize/4-2)
		for i := range count {
			s.free[binary.BigEndian.Uint32(page[8+4*i:])] = true
		}
		trunk = binary.BigEndian.Uint32(page)
	}
}

// frames calls do with the header of each frame of the log, and the place of its page. A header that the disk does not give is noughts: the page
// behind it may be well all the same.
func (s *Source) frames(ctx context.Context, do func(head []byte, page int64) error) error {
	if s.log == nil {
		return nil
	}
	info, err := s.log.Stat()
	if err != nil {
		return fmt.Errorf("reading the write-ahead log: %w", err)
	}
	head := make([]byte, frameHeader)
	for at := int64(logHeader); at+frameHeader+pageSize <= info.Size(); at += frameHeader + pageSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !reads(s.log, head, at) {
			clear(head)
		}
		if err := do(head, at+frameHeader); err != nil {
			return err
		}
	}
	return nil
}

// reads fills b from a place, if the disk gives all of it.
func reads(f *os.File, b []byte, at int64) bool {
	_, err := f.ReadAt(b, at)
	return err == nil
}

// pages calls visit with every row of every leaf, in the database first, until it returns false: errEnough.
func (s *Source) pages(ctx context.Context, visit func(row) bool) error {
	page, n := make([]byte, pageSize), 0
	s.unread = 0
	look := func(f *os.File, at int64, current bool) error {
		if n++; n%restEvery == 0 && s.Rest != nil {
			if err := s.Rest(ctx); err != nil {
				return err
			}
		}
		got, err := f.ReadAt(page, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return s.unreadable(f, at, err)
		}
		clear(page[got:])
		return s.leaf(page, at == 0 && f == s.main, func(r row) bool {
			r.current = current
			return visit(r)
		})
	}
	if s.main != nil {
		info, err := s.main.Stat()
		if err != nil {
			return err
		}
		for at := int64(0); at < info.Size(); at += pageSize {
			number := uint32(at/pageSize) + 1
			_, newer := s.newest[number]
			if err := errors.Join(ctx.Err(), look(s.main, at, !newer && !s.free[number])); err != nil {
				return err
			}
		}
	}
	return s.frames(ctx, func(head []byte, at int64) error {
		number := binary.BigEndian.Uint32(head)
		return look(s.log, at, s.newest[number] == at && !s.free[number])
	})
}

// unreadable passes a page over that the disk does not give, and counts it: the others may be well.
func (s *Source) unreadable(f *os.File, at int64, err error) error {
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("reading %s at %d: %w", f.Name(), at, err)
	}
	s.unread++
	return nil
}

// leaf calls visit with the rows of one page, if it is the leaf of a table (§1.6).
func (s *Source) leaf(page []byte, first bool, visit func(row) bool) error {
	begin := 0
	if first {
		begin = fileHeader
	}
	if page[begin] != leafTable {
		return nil
	}
	s.spilled = 0
	cells := int(binary.BigEndian.Uint16(page[begin+3:]))
	pointers := page[begin+leafHeader:]
	for i := range min(cells, len(pointers)/2) {
		at := int(binary.BigEndian.Uint16(pointers[2*i:]))
		if at >= len(page) {
			continue
		}
		if r, ok := s.cell(page[at:]); ok && !visit(r) {
			return errEnough
		}
	}
	return nil
}

// cell reads one cell of a leaf (§1.6, B-tree Cell Format).
func (s *Source) cell(b []byte) (row, bool) {
	length, n := varint(b)
	if n == 0 || length <= 0 || length > maxPayload {
		return row{}, false
	}
	b = b[n:]
	id, n := varint(b)
	if n == 0 {
		return row{}, false
	}
	payload, ok := s.payload(b[n:], int(length))
	if !ok {
		return row{}, false
	}
	columns, ok := columnsOf(payload)
	return row{id: id, columns: columns}, ok
}

// payload gathers what a cell holds, with what flowed over to other pages (§1.6, Cell Payload Overflow Pages).
func (s *Source) payload(b []byte, length int) ([]byte, bool) {
	local := length
	if most := pageSize - 35; length > most {
		least := (pageSize-12)*32/255 - 23
		if local = least + (length-least)%(pageSize-4); local > most {
			local = least
		}
	}
	if local == length {
		if length > len(b) {
			return nil, false
		}
		return b[:length], true
	}
	if s.spilled++; local+4 > len(b) || s.spilled > maxSpilled {
		return nil, false
	}
	out := append(make([]byte, 0, length), b[:local]...)
	next := binary.BigEndian.Uint32(b[local:])
	page := make([]byte, pageSize)
	for len(out) < length { // ends: every page gives some
		if next == 0 || !s.page(next, page) {
			return nil, false
		}
		next = binary.BigEndian.Uint32(page)
		out = append(out, page[4:4+min(pageSize-4, length-len(out))]...)
	}
	return out, true
}

// page reads the newest copy of a page.
func (s *Source) page(number uint32, into []byte) bool {
	f, at := s.main, int64(number-1)*pageSize
	if place, ok := s.newest[number]; ok {
		f, at = s.log, place
	}
	if f == nil {
		return false
	}
	return reads(f, into, at)
}
