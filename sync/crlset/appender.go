package crlset

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"kazashi.example/sync/canon"
)

// Parts of the file; DESIGN.md has them.
const (
	magic       = "KZCRLS\x00\x02"
	trailerSize = 40
	groupBlocks = 32
	maxPlan     = 1 << 20 // octets
)

// Summary is what was written.
type Summary struct {
	Entries uint64
	Size    uint64 // octets
	Digests []byte // of all chunks, 32 octets each
	Root    [32]byte
	Plan    Plan
}

// appender writes a set's file from encoded blocks. It keeps four octets a block. It belongs to one goroutine, and an error is
// final.
type appender struct {
	out     sink
	sizes   []uint32 // of the blocks so far
	entries uint64
	err     error
}

// newAppender begins a file.
func newAppender(w io.Writer) *appender {
	a := &appender{out: NewChunker(w)}
	_, a.err = io.WriteString(a.out, magic)
	return a
}

// put writes the next block as Layout.Encode makes it. An empty block is no octets.
func (a *appender) put(block []byte) error {
	if a.err != nil {
		return a.err
	}
	if uint64(len(block)) > math.MaxUint32/groupBlocks {
		a.err = fmt.Errorf("%w: block of %d octets", ErrPlan, len(block))
		return a.err
	}
	a.sizes = append(a.sizes, uint32(len(block)))
	a.entries += uint64(entries(block))
	_, a.err = a.out.Write(block)
	return a.err
}

// blocks is how many came so far.
func (a *appender) blocks() int { return len(a.sizes) }

// close writes directory, plan and trailer. The plan must have as many blocks as came; ErrPlan otherwise.
func (a *appender) close(p Plan) (Summary, error) {
	if a.err != nil {
		return Summary{}, a.err
	}
	l, err := p.Layout()
	if err != nil {
		return Summary{}, err
	}
	return a.finish(l)
}

func (a *appender) finish(l *Layout) (Summary, error) {
	if a.err != nil {
		return Summary{}, a.err
	}
	if l.blocks != len(a.sizes) {
		return Summary{}, fmt.Errorf("%w: %d blocks, plan has %d", ErrPlan, len(a.sizes), l.blocks)
	}
	plan, err := canon.Encode(l.plan)
	if err != nil {
		return Summary{}, fmt.Errorf("writing the plan: %w", err)
	}
	if len(plan) > maxPlan {
		return Summary{}, fmt.Errorf("%w: %d octets", ErrPlan, len(plan))
	}
	t := trailer{directory: a.out.Size(), entries: a.entries, width: a.width()}
	a.directory(t.width)
	t.plan = a.out.Size()
	_, _ = a.out.Write(append(plan, t.octets()...)) // Close has the error
	digests, err := a.out.Close()
	if err != nil {
		return Summary{}, err
	}
	size := a.out.Size()
	return Summary{Entries: a.entries, Size: size, Digests: digests, Root: Root(size, digests), Plan: l.plan}, nil
}

// width is that of relative offsets.
func (a *appender) width() uint8 {
	for i := 0; i < len(a.sizes); i += groupBlocks {
		sum := uint64(0)
		for _, s := range a.sizes[i:min(i+groupBlocks-1, len(a.sizes))] {
			if sum += uint64(s); sum > math.MaxUint16 {
				return 4
			}
		}
	}
	return 2
}

// directory writes the groups of offsets.
func (a *appender) directory(width uint8) {
	var group []byte
	at := uint64(len(magic))
	for i := 0; i < len(a.sizes); i += groupBlocks {
		group = binary.LittleEndian.AppendUint64(group[:0], at)
		rel := uint64(0)
		for j := i; j < i+groupBlocks; j++ {
			if j > i && width == 2 {
				group = binary.LittleEndian.AppendUint16(group, uint16(rel))
			} else if j > i {
				group = binary.LittleEndian.AppendUint32(group, uint32(rel))
			}
			if j < len(a.sizes) {
				rel += uint64(a.sizes[j])
			}
		}
		at += rel
		_, _ = a.out.Write(group) // Close has the error
	}
}

// trailer is the last octets of a file.
type trailer struct {
	directory, plan, entries uint64
	width                    uint8
}

func (t trailer) octets() []byte {
	b := binary.LittleEndian.AppendUint64(nil, t.directory)
	b = binary.LittleEndian.AppendUint64(b, t.plan)
	b = binary.LittleEndian.AppendUint64(b, t.entries)
	return append(append(b, t.width, 0, 0, 0, 0, 0, 0, 0), magic...)
}

// trailerOf reads the last octets of a file of size octets, and checks that its parts lie in it one behind the other.
func trailerOf(b []byte, size uint64) (t trailer, err error) {
	t = trailer{
		directory: binary.LittleEndian.Uint64(b), plan: binary.LittleEndian.Uint64(b[8:]), entries: binary.LittleEndian.Uint64(b[16:]),
		width: b[24],
	}
	switch {
	case string(b) != string(t.octets()):
		return t, fmt.Errorf("%w: trailer", ErrFormat)
	case t.width != 2 && t.width != 4:
		return t, fmt.Errorf("%w: width of offsets", ErrFormat)
	case t.directory < uint64(len(magic)) || t.plan < t.directory || size-trailerSize < t.plan || size-trailerSize-t.plan > maxPlan:
		return t, fmt.Errorf("%w: parts outside the file", ErrFormat)
	}
	return t, nil
}

// groupSize is the octets of a group of the directory.
func (t trailer) groupSize() uint64 { return 8 + (groupBlocks-1)*uint64(t.width) }
