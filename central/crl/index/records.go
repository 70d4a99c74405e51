package index

import (
	"encoding/binary"
	"fmt"
	"io"

	"kazashi.example/sync/crlset"
)

// Sizes of a record in a run, in octets: a packed entry, or its key (20 octets, padded to 24) with date and reason. The file never leaves
// the machine.
const (
	packedRecord = 8
	wideRecord   = 32
)

// runBuffer is how many octets of a run are written at a time.
const runBuffer = 256 << 10

// run is a sorted part of the file.
type run struct {
	at, end int64
	width   int
	packing packing // of the records if they are packed, else what they would need
}

// runWriter writes records one after another.
type runWriter struct {
	to  io.WriterAt
	at  int64
	buf []byte
}

func newRunWriter(to io.WriterAt) *runWriter {
	return &runWriter{to: to, buf: make([]byte, 0, runBuffer)}
}

// begin begins a run.
func (w *runWriter) begin(at int64) int64 {
	w.at = at
	return at
}

func (w *runWriter) putPacked(values []uint64) error {
	for _, v := range values {
		if w.buf = binary.LittleEndian.AppendUint64(w.buf, v); len(w.buf) == cap(w.buf) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *runWriter) putWide(e *crlset.Entry) error {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, e.Key.C)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(e.Date)<<reasonBits|uint64(e.Reason)) // a date has far fewer than 60 bits
	w.buf = binary.LittleEndian.AppendUint64(w.buf, e.Key.B)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(e.Key.A))
	if len(w.buf) == cap(w.buf) {
		return w.flush()
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

// record reads one record.
func (r *run) record(b []byte, e *crlset.Entry) {
	if r.width == packedRecord {
		r.packing.unpack(binary.LittleEndian.Uint64(b), e)
		return
	}
	meta := binary.LittleEndian.Uint64(b[8:])
	e.Key.C, e.Key.B, e.Key.A = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[16:]), uint32(binary.LittleEndian.Uint64(b[24:]))
	e.Date, e.Reason = int64(meta)>>reasonBits, crlset.Reason(meta&(1<<reasonBits-1))
}
