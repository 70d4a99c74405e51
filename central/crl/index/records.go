package index

import (
	"encoding/binary"
	"fmt"
	"io"

	"kazashi.example/sync/crlset"
)

// Sizes of a record in a run, in octets: the key (8 octets or 20, padded to 24), then date and reason. The file never leaves the machine.
const (
	narrowRecord = 16
	wideRecord   = 32
)

// runBuffer is how many octets of a run are written at a time.
const runBuffer = 256 << 10

// run is a sorted part of the file.
type run struct {
	at, end int64
	width   int
}

// widthOf is the size of a record that all entries fit in.
func widthOf(entries []crlset.Entry) int {
	var high uint64
	for i := range entries {
		high |= entries[i].Key.B | uint64(entries[i].Key.A)
	}
	if high == 0 {
		return narrowRecord
	}
	return wideRecord
}

// runWriter writes records one after another.
type runWriter struct {
	to    io.WriterAt
	at    int64
	width int
	buf   []byte
}

func newRunWriter(to io.WriterAt) *runWriter {
	return &runWriter{to: to, buf: make([]byte, 0, runBuffer)}
}

func (w *runWriter) begin(at int64, width int) run {
	w.at, w.width = at, width
	return run{at: at, width: width}
}

func (w *runWriter) put(e *crlset.Entry) error {
	if len(w.buf)+w.width > cap(w.buf) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	b := w.buf[len(w.buf) : len(w.buf)+w.width]
	w.buf = w.buf[:len(w.buf)+w.width]
	binary.LittleEndian.PutUint64(b, e.Key.C)
	binary.LittleEndian.PutUint64(b[8:], metaOf(e))
	if w.width == wideRecord {
		binary.LittleEndian.PutUint64(b[16:], e.Key.B)
		binary.LittleEndian.PutUint64(b[24:], uint64(e.Key.A))
	}
	return nil
}

func (w *runWriter) flush() error {
	if _, err := w.to.WriteAt(w.buf, w.at); err != nil {
		return fmt.Errorf("writing a sorted run: %w", err)
	}
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// readRecord is the inverse of put.
func readRecord(b []byte, e *crlset.Entry) {
	e.Key = crlset.Key{C: binary.LittleEndian.Uint64(b)}
	setMeta(e, binary.LittleEndian.Uint64(b[8:]))
	if len(b) == wideRecord {
		e.Key.B, e.Key.A = binary.LittleEndian.Uint64(b[16:]), uint32(binary.LittleEndian.Uint64(b[24:]))
	}
}

// metaOf is date and reason in one; a date has far fewer than 56 bits.
func metaOf(e *crlset.Entry) uint64 { return uint64(e.Date)<<8 | uint64(e.Reason) }

// setMeta is the inverse of metaOf.
func setMeta(e *crlset.Entry, meta uint64) {
	e.Date, e.Reason = int64(meta)>>8, crlset.Reason(meta)
}
