package segment

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Bounds of what is sealed, in octets.
const (
	padTo    = 64
	maxPlain = 24 << 10 // with MaxServices services
)

// ErrFull says that a segment has no room for more.
var ErrFull = errors.New("segment of a roster is full")

// row is a reference and where it leads.
type row struct {
	ref   Ref
	place Place
}

// Writer writes a segment. After an error of the writer below nothing more is written.
type Writer struct {
	out   *chunk.Writer
	below io.Writer
	keys  *Keys
	aead  cipher.AEAD
	at    uint64 // of the next entry, behind the header
	rows  []row
	part  roster.Part
	plain []byte
}

// NewWriter begins a segment under a generation's keys, with a salt of its own.
func NewWriter(w io.Writer, k *Keys) (*Writer, error) {
	var salt [saltLen]byte
	_, _ = rand.Read(salt[:]) // crypto/rand.Read never fails (Go 1.24)
	return newWriter(w, k, salt)
}

func newWriter(w io.Writer, k *Keys, salt [saltLen]byte) (*Writer, error) {
	aead, err := k.aead(salt)
	if err != nil {
		return nil, err
	}
	s := &Writer{out: chunk.NewWriter(w), below: w, keys: k, aead: aead, part: roster.Part{Generation: k.gen}}
	head := append(append([]byte(magic), k.gen.ID128[:]...), salt[:]...)
	_, err = s.out.Write(head)
	return s, err
}

// Add seals somebody. Who comes first is found by a reference that two have; nobody may have two entries. roster.ErrRoster, ErrFull.
func (w *Writer) Add(e roster.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	p, err := w.seal(e, 0)
	if err != nil {
		return err
	}
	k := w.keys
	w.rows = append(w.rows, row{k.Tap(e.Enrolled), p}, row{k.cert(e.Verifier, e.Hierarchy, e.Serial), p})
	for i, s := range e.Services {
		again := slices.ContainsFunc(e.Services[:i], func(o roster.Service) bool { return o.PPID == s.PPID })
		if s.PPID != "" && !again {
			w.rows = append(w.rows, row{k.PPID(s.PPID), p})
		}
		if s.Number != "" {
			w.rows = append(w.rows, row{k.Number(s.ID, s.Number), p})
		}
	}
	w.part.Entries++
	return nil
}

// Gone says that an enrolment is on the roster no more.
func (w *Writer) Gone(tap record.TapID) error {
	p, err := w.seal(roster.Entry{Enrolled: tap}, gone)
	if err != nil {
		return err
	}
	w.rows = append(w.rows, row{w.keys.Tap(tap), p})
	w.part.Gone++
	return nil
}

func (w *Writer) seal(e roster.Entry, flag Place) (Place, error) {
	plain, err := canon.Encode(e)
	if err != nil {
		return 0, err
	}
	n := len(plain)/padTo*padTo + padTo
	w.plain = append(append(w.plain[:0], plain...), 0x80)
	w.plain = append(w.plain, make([]byte, n-len(plain)-1)...)
	clear(plain)
	if n+w.aead.Overhead() > maxPlain || w.octets()+maxPlain > roster.MaxSegment || w.part.Entries+w.part.Gone == roster.MaxPeople {
		return 0, ErrFull
	}
	p := Place(w.at) | flag //nolint:gosec // below MaxSegment
	nonce := nonceOf(p)
	b := binary.LittleEndian.AppendUint16(nil, uint16(n+w.aead.Overhead())) //nolint:gosec // below maxPlain
	b = w.aead.Seal(b, nonce[:], w.plain, w.keys.aad)
	clear(w.plain)
	w.at += uint64(len(b))
	_, err = w.out.Write(b)
	return p, err
}

// octets is how long the segment is so far, with room for one more person's references.
func (w *Writer) octets() uint64 {
	return uint64(headerSize+footerSize+(len(w.rows)+2+2*roster.MaxServices)*rowSize) + w.at //nolint:gosec // not negative
}

// Close writes the index and the digests, and says what a head must say of the segment.
func (w *Writer) Close() (roster.Part, error) {
	slices.SortFunc(w.rows, func(a, b row) int { return cmp.Or(a.ref.compare(&b.ref), cmp.Compare(a.place&^gone, b.place&^gone)) })
	w.rows = slices.CompactFunc(w.rows, func(a, b row) bool { return a.ref == b.ref })
	var b [rowSize]byte
	for _, r := range w.rows {
		copy(b[:], r.ref[:])
		binary.LittleEndian.PutUint32(b[refSize:], uint32(r.place))
		if _, err := w.out.Write(b[:]); err != nil {
			return roster.Part{}, err
		}
	}
	foot := binary.LittleEndian.AppendUint64(nil, uint64(headerSize)+w.at)
	for _, n := range []uint32{uint32(len(w.rows)), w.part.Entries, w.part.Gone, 0} { //nolint:gosec // at most 130 rows of each of MaxPeople
		foot = binary.LittleEndian.AppendUint32(foot, n)
	}
	if _, err := w.out.Write(foot); err != nil {
		return roster.Part{}, err
	}
	digests, err := w.out.Close()
	if err != nil {
		return roster.Part{}, err
	}
	if _, err := w.below.Write(digests); err != nil {
		return roster.Part{}, fmt.Errorf("writing the digests of a segment: %w", err)
	}
	w.part.Size = w.out.Size()
	w.part.Root = roster.RootOf(w.part.Size, digests)
	return w.part, nil
}

// Merge writes what segments say together, the newest first: of each enrolment what the newest says of it. What is gone is left out where
// whole, that is if no older segment is left that could say otherwise. Errors are those of Opener.All and of the writer.
func Merge(w *Writer, newestFirst []*Opener, whole bool) error {
	seen := map[record.TapID]bool{}
	for i, o := range newestFirst {
		err := o.All(func(e roster.Entry, isGone bool) error {
			if seen[e.Enrolled] {
				return nil
			}
			if i+1 < len(newestFirst) {
				seen[e.Enrolled] = true
			}
			switch {
			case !isGone:
				return w.Add(e)
			case whole:
				return nil
			default:
				return w.Gone(e.Enrolled)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
