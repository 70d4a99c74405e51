package mine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Magic numbers of a write-ahead log: checksums in little-endian and in big-endian words (§4.1).
const (
	logMagicLittle = 0x377f0682
	logMagicBig    = 0x377f0683
)

// Log is what a write-ahead log holds that SQLite would not read: frames after the first whose checksum is wrong.
type Log struct {
	// Lost is the newest whole record in them, by the number of its row; 0 for none. It may stand in what SQLite reads as well.
	Lost int64
	// Torn says that they can be the rest of one commit that was under way when the power went, which nobody was told of.
	Torn bool
}

// ReadLog reads the write-ahead log of a database. A log that is not there holds nothing. The files are not changed.
func ReadLog(ctx context.Context, path string) (l Log, err error) {
	f, err := open(path + "-wal")
	if err != nil || f == nil {
		return Log{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := logReader{f: f, frame: make([]byte, frameHeader+pageSize)}
	if err := r.read(ctx); err != nil {
		return Log{}, fmt.Errorf("reading the write-ahead log: %w", err)
	}
	return Log{Lost: r.lost, Torn: r.valid && r.transactions <= 1}, nil
}

// logReader reads a log from its beginning.
type logReader struct {
	f     *os.File
	order binary.ByteOrder
	sum   [2]uint32
	salts string
	frame []byte

	valid        bool  // the header is
	broken       bool  // a frame was not
	lost         int64 // newest record of the rest
	transactions int   // begun in the rest
	inside       bool  // one of them
}

func (r *logReader) read(ctx context.Context) error {
	head := make([]byte, logHeader)
	if n, err := r.f.ReadAt(head, 0); n < len(head) {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	r.header(head)
	for at := int64(logHeader); ; at += int64(len(r.frame)) {
		n, err := r.f.ReadAt(r.frame, at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case n == len(r.frame):
			r.next()
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// header verifies the log's own (§4.1).
func (r *logReader) header(head []byte) {
	magic := binary.BigEndian.Uint32(head)
	r.order = binary.LittleEndian
	if magic == logMagicBig {
		r.order = binary.BigEndian
	}
	r.add(head[:24])
	r.salts = string(head[16:24])
	r.valid = (magic == logMagicLittle || magic == logMagicBig) && r.sum == words(head[24:])
}

// next takes one frame.
func (r *logReader) next() {
	head, page := r.frame[:frameHeader], r.frame[frameHeader:]
	ours := string(head[8:16]) == r.salts
	r.add(head[:8])
	r.add(page)
	r.broken = r.broken || !r.valid || !ours || r.sum != words(head[16:])
	if !r.broken || r.valid && !ours {
		return // SQLite reads it, or it is of the log's time before
	}
	if !r.inside {
		r.transactions++
	}
	r.inside = binary.BigEndian.Uint32(head[4:]) == 0 // else it ends a commit
	r.lost = max(r.lost, newestOf(page, binary.BigEndian.Uint32(head) == 1))
}

// add goes on with the checksum (§4.2).
func (r *logReader) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		r.sum[0] += r.order.Uint32(b) + r.sum[1]
		r.sum[1] += r.order.Uint32(b[4:]) + r.sum[0]
	}
}

func words(b []byte) [2]uint32 {
	return [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

// newestOf is the newest whole record of a page that lies wholly on it; 0 for none.
func newestOf(page []byte, first bool) (id int64) {
	s := &Source{}
	_ = s.leaf(page, first, func(r row) bool { // visit wants all, so that there is no error
		if len(r.columns) == recordColumns {
			if _, ok := recordOf(r); ok {
				id = max(id, r.id)
			}
		}
		return true
	})
	return id
}
