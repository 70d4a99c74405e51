package drill

import (
	"errors"
	"os"
	"path/filepath"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
)

// maxSticks bounds how many sticks are looked at.
const maxSticks = 64

// sticks looks at the sticks that are in the box: they are stolen with it.
func (l *looker) sticks() {
	if l.o.Sticks == "" {
		return
	}
	all, err := os.ReadDir(l.o.Sticks)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		l.add(Item{Path: l.o.Sticks + "/", Kind: KindStick, Problems: []Problem{{ID: Unreadable}}})
	}
	for _, e := range all[:min(len(all), maxSticks)] {
		if e.IsDir() {
			l.stick(filepath.Join(l.o.Sticks, e.Name()))
		}
	}
}

// stick looks at what a stick has of ours: parcels of this box and of others. What else is on it is not the box's.
func (l *looker) stick(folder string) {
	s, err := courier.Find(folder)
	if errors.Is(err, courier.ErrNotStick) {
		return
	}
	i := Item{Path: folder + "/", Kind: KindStick}
	if err == nil {
		for _, k := range []courier.Kind{courier.Up, courier.Recovered, courier.Down, courier.Joining, courier.Joined} {
			err = errors.Join(err, l.parcels(s, k, &i))
		}
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		i.Problems = append(i.Problems, Problem{ID: Unreadable})
	}
	l.add(i)
}

// parcels counts what parcels of a kind hold.
func (l *looker) parcels(s *courier.Stick, k courier.Kind, i *Item) error {
	boxes, err := s.Boxes(k)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		names, err := s.Parcels(k, box)
		if err != nil {
			return err
		}
		for _, n := range names {
			l.parcel(s, n, i)
		}
	}
	return nil
}

// parcel looks at one. Records in it are sealed as they are in the journal; what came from central is sealed to the box that it is for.
func (l *looker) parcel(s *courier.Stick, n courier.Name, i *Item) {
	p, err := s.Open(n)
	if err != nil {
		i.Problems = append(i.Problems, Problem{ID: UnknownContent, Where: n.Kind.String()})
		return
	}
	defer p.Close() // it was only read
	hold := func(c ClassID, count int64) {
		if count > 0 {
			i.Holds = append(i.Holds, Holding{Class: c, Count: count})
		}
	}
	switch n.Kind {
	case courier.Up, courier.Recovered:
		count := int64(0)
		for _, c := range p.Covers {
			count += int64(c.Last-c.First) + 1 //nolint:gosec // the format caps both
		}
		hold(Records, count)
		hold(Proofs, 1)
	case courier.Down, courier.Joined:
		hold(FromCentral, 1)
		l.brought = l.brought || n.Kind == courier.Down && l.mine(n.Box)
	case courier.Joining:
		hold(Settings, 1)
	}
}

// mine reports whether a parcel is for the box that is looked at, as far as that is known.
func (l *looker) mine(box record.BoxID) bool { return l.box.IsZero() || l.box == box }
