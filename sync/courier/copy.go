package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Put copies a parcel that was written elsewhere onto the stick, under its name and durably. Only a whole parcel of that name gets it: ErrHalf,
// ErrDamaged or ErrOtherBox for anything else, of which nothing stays. ErrReadOnly, ErrFull, ErrGone, or what from said.
func (s *Stick) Put(ctx context.Context, n Name, from io.Reader) error {
	if err := s.tidy(n.Kind, n.Box); err != nil {
		return err
	}
	f, err := s.create(n)
	if err != nil {
		return err
	}
	size, err := io.Copy(f, reading{ctx, io.LimitReader(from, MaxParcel+1)})
	if err == nil {
		err = s.is(f, n, size)
	}
	if err != nil {
		f.abort()
		return fmt.Errorf("copying parcel %s: %w", n, err)
	}
	return f.publish()
}

// is compares a file that was written, and is still without its name, with what it is to be.
func (s *Stick) is(f *file, n Name, size int64) (err error) {
	back, err := s.root.Open(f.part)
	if err != nil {
		return fault(err)
	}
	defer func() { err = errors.Join(err, back.Close()) }()
	p, err := Read(back, size)
	if err != nil {
		return err
	}
	if p.Kind != n.Kind || p.Box != n.Box || p.N != n.N {
		return fmt.Errorf("%w: it is %s", ErrOtherBox, Name{p.Kind, p.Box, p.N})
	}
	return p.intact()
}

// intact is ErrDamaged unless every part is as the manifest says, sealed or not.
func (p *Parcel) intact() error {
	at := int64(headLen)
	for i, l := range p.m.Parts {
		if _, err := p.lying(i, at); err != nil {
			return err
		}
		at += int64(l.Length) //nolint:gosec // checked against MaxParts
	}
	return nil
}

// Octets reads the parcel as it lies, from its beginning. Errors have the names of a stick's.
func (p *Parcel) Octets() io.Reader { return named{io.NewSectionReader(p.r, 0, p.Size)} }

// named gives errors the names of a stick's.
type named struct{ r io.Reader }

func (n named) Read(b []byte) (int, error) {
	got, err := n.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading a parcel: %w", unread(err, nowhere))
	}
	return got, err
}
