package courier

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

// Config is what parcels of one row have in common.
type Config struct {
	Kind         Kind
	Box          record.BoxID
	Next         func() (uint64, error) // number of the next parcel, above all before and never given again; nil for joining and joined
	Now          func() time.Time       // nil for time.Now
	Signer       crypto.Signer          // D for up, C-sign for down
	To           seal.PublicKey         // S of the box, for down and joined
	CentralEpoch uint64                 // down
	Heard        uint64                 // down: number of the up parcel whose State is answered; 0 if none was ever heard
}

// Writer writes a row of parcels to a stick, each whole by itself: a full one is closed and the next one begun. What fails leaves the
// parcels before, and a part of one, which the next writer for that box and kind removes.
type Writer struct {
	c     Config
	stick *Stick
	open  *file    // parcel under way; nil between two
	m     manifest // of open
	size  int64    // octets of its parts
	key   *seal.Key
	done  []Name
	whole uint64 // records in done
}

// Writer begins a row. It removes what an earlier one left half written for the box. ErrReadOnly, ErrGone, ErrCrowded.
func (s *Stick) Writer(c Config) (*Writer, error) {
	if !c.Kind.Valid() || c.Box.IsZero() || c.Kind.signed() && c.Signer == nil || c.Kind.sealed() && c.To.IsZero() {
		return nil, fmt.Errorf("%w: who makes it, or for whom", ErrOrder)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := s.tidy(c.Kind, c.Box); err != nil {
		return nil, err
	}
	return &Writer{c: c, stick: s}, nil
}

// Run adds a run. Like all that adds: ErrOrder for what this kind cannot carry, ErrReadOnly, ErrFull, ErrGone.
func (w *Writer) Run(r Run) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	if err := w.add(TypeRun, b); err != nil {
		return err
	}
	if len(r.Sealed) > 0 {
		s, err := r.Epoch()
		if err != nil {
			return err
		}
		w.m.Covers = append(w.m.Covers, Cover{s.Header.Epoch, r.First, r.Last()})
	}
	return nil
}

// Correction adds a signed correction.
func (w *Writer) Correction(message []byte) error { return w.add(TypeCorrection, message) }

// State adds what the box has; it comes last, once a row. More than MaxEnds ends are cut at the newest.
func (w *Writer) State(s State) error {
	s.Ends = s.Ends[:min(len(s.Ends), MaxEnds)]
	first := s.Ends[:min(len(s.Ends), endsAPart)]
	b, err := canon.Encode(stateMessage{s.Poll, first, uint64(len(s.Ends))})
	if err != nil {
		return err
	}
	types, parts := []Type{TypeState}, [][]byte{b}
	for rest := s.Ends[len(first):]; len(rest) > 0; rest = rest[min(len(rest), endsAPart):] {
		b, err := canon.Encode(endsMessage{rest[:min(len(rest), endsAPart)]})
		if err != nil {
			return err
		}
		types, parts = append(types, TypeEnds), append(parts, b)
	}
	return w.together(types, parts)
}

// Polled adds what a poll brings. blobs are the files it offers that lie on the stick.
func (w *Writer) Polled(p wire.Polled, blobs ...wire.Blob) error {
	b, err := canon.Encode(p)
	if err != nil {
		return err
	}
	if len(b) > wire.MaxPolled {
		return fmt.Errorf("%w: %d octets", ErrOrder, len(b))
	}
	if w.open != nil && len(w.m.Blobs)+len(blobs) > MaxBlobs {
		if err := w.finish(); err != nil {
			return err
		}
	}
	if err := w.add(TypePolled, b); err != nil {
		return err
	}
	w.m.Blobs = append(w.m.Blobs, blobs...)
	return nil
}

// JoinRequest writes a request to join.
func (w *Writer) JoinRequest(r wire.JoinRequest) error { return w.message(TypeJoinRequest, r) }

// JoinAnswer writes the answer to one.
func (w *Writer) JoinAnswer(a wire.JoinAnswer) error { return w.message(TypeJoinAnswer, a) }

func (w *Writer) message(t Type, v any) error {
	b, err := canon.Encode(v)
	if err != nil {
		return err
	}
	return w.add(t, b)
}

// Close makes the last parcel whole. Names then lists all of them.
func (w *Writer) Close() error {
	if w.open == nil {
		return nil
	}
	return w.finish()
}

// Abort gives the parcel under way up. Those before stay.
func (w *Writer) Abort() {
	if w.open != nil {
		w.open.abort()
		w.open = nil
	}
}

// Names lists the parcels that are whole.
func (w *Writer) Names() []Name { return w.done }

// Records counts the records in them.
func (w *Writer) Records() uint64 { return w.whole }

func (w *Writer) add(t Type, b []byte) error { return w.together([]Type{t}, [][]byte{b}) }

// together adds parts that belong into one parcel.
func (w *Writer) together(types []Type, parts [][]byte) error {
	var size int64
	for i, b := range parts {
		most := types[i].most()
		if w.c.Kind.sealed() {
			most -= seal.TagLen
		}
		if !w.c.Kind.allowed(types[i]) || len(b) == 0 || uint64(len(b)) > most {
			return fmt.Errorf("%w: part of type %d with %d octets", ErrOrder, types[i], len(b))
		}
		size += int64(len(b) + seal.TagLen)
	}
	if w.open != nil && (w.size+size > MaxParts || len(w.m.Parts)+len(parts) > MaxCount) {
		if err := w.finish(); err != nil {
			return err
		}
	}
	if err := w.begin(); err != nil {
		return err
	}
	for i, b := range parts {
		if err := w.put(types[i], b); err != nil {
			return err
		}
	}
	return nil
}

// begin opens the next parcel if none is open.
func (w *Writer) begin() (err error) {
	if w.open != nil {
		return nil
	}
	w.m = manifest{Version: Version, Kind: w.c.Kind, Box: w.c.Box, Made: max(0, w.c.Now().UnixMilli()), CentralEpoch: w.c.CentralEpoch, Heard: w.c.Heard}
	w.size, w.key = 0, nil
	if w.c.Next != nil {
		if w.m.N, err = w.c.Next(); err != nil {
			return fmt.Errorf("numbering a parcel: %w", err)
		}
	}
	if w.c.Kind.sealed() {
		info, err := w.m.info()
		if err != nil {
			return err
		}
		if w.m.Enc, w.key, err = seal.EncapsulateTo(w.c.To, info, sealContext); err != nil {
			return err
		}
	}
	if w.open, err = w.stick.create(Name{w.m.Kind, w.m.Box, w.m.N}); err != nil {
		return err
	}
	return w.write([]byte(headMark))
}

func (w *Writer) put(t Type, b []byte) error {
	if w.key != nil {
		i := len(w.m.Parts)
		extra, err := aad(t, i)
		if err != nil {
			return err
		}
		b = w.key.Seal(record.Seq(i), extra, b) //nolint:gosec // an index
	}
	if err := w.write(b); err != nil {
		return err
	}
	w.m.Parts = append(w.m.Parts, listed{t, uint64(len(b)), sha256.Sum256(b)})
	w.size += int64(len(b))
	return nil
}

// write gives the parcel up when it fails.
func (w *Writer) write(b []byte) error {
	if _, err := w.open.Write(b); err != nil {
		w.Abort()
		return fmt.Errorf("writing a parcel: %w", err)
	}
	return nil
}

// finish makes the open parcel whole and durable.
func (w *Writer) finish() error {
	if err := w.m.check(); err != nil {
		w.Abort()
		return errors.Join(ErrOrder, err)
	}
	t, err := w.m.trailer(w.c.Signer)
	if err != nil {
		w.Abort()
		return err
	}
	if err := w.write(append(t, tail(t)...)); err != nil {
		return err
	}
	f := w.open
	w.open = nil
	if err := f.publish(); err != nil {
		return err
	}
	w.done = append(w.done, Name{w.m.Kind, w.m.Box, w.m.N})
	for _, c := range w.m.Covers {
		w.whole += uint64(c.Last-c.First) + 1
	}
	return nil
}
