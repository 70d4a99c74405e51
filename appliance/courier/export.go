package courier

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Export writes to a stick what central is not known to have received, corrections of the clock, and last what the box has, so that central
// can answer. What parcels of this box on the stick carry already is not written again. Errors: those of package courier of the format
// (ErrReadOnly, ErrFull, ErrGone, ErrCrowded, ErrIrregular), ctx's, or what the journal said; the parcels that Summary counts are whole then.
func (c *Courier) Export(ctx context.Context, folder string, progress Progress) (sum Summary, err error) {
	c.working.Lock()
	defer c.working.Unlock()
	stick, err := courier.Make(folder)
	if err != nil {
		return sum, fmt.Errorf("opening the stick: %w", err)
	}
	defer func() { err = errors.Join(err, stick.Close()) }()
	e := export{Courier: c, stick: stick, progress: progress, sum: &sum, written: covered{}}
	return sum, e.do(ctx)
}

// export is one export.
type export struct {
	*Courier
	stick    *courier.Stick
	progress Progress
	sum      *Summary
	w        *courier.Writer
	written  covered
	done     uint64
	total    uint64
}

func (e *export) do(ctx context.Context) (err error) {
	if e.total, err = e.Journal.Waiting(ctx); err != nil {
		return err
	}
	e.advance(0)
	there, err := e.survey(ctx, e.stick)
	if err != nil {
		return err
	}
	there.covers.merge()
	next := func() (uint64, error) { return e.next(there.numbers) }
	e.w, err = e.stick.Writer(courier.Config{Kind: courier.Up, Box: e.Box, Next: next, Now: e.Now, Signer: e.Device})
	if err != nil {
		return err
	}
	defer func() {
		e.w.Abort()
		e.sum.Files, e.sum.Records = len(e.w.Names()), e.w.Records()
	}()
	if err := e.runs(ctx, there.covers); err != nil {
		return err
	}
	if err := e.state(ctx); err != nil {
		return err
	}
	return e.tidy(ctx, there)
}

// runs writes what waits.
func (e *export) runs(ctx context.Context, there covered) error {
	for r, err := range e.Journal.Runs(ctx, courier.MaxRunOctets) {
		if err != nil && ctx.Err() == nil { // what was read before is worth its parcel
			return errors.Join(fmt.Errorf("reading what waits: %w", err), e.w.Close())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		parts, err := cut(runOf(r), there.lacking(r.Epoch, r.First, r.First+record.Seq(len(r.Sealed))-1))
		if err != nil {
			return err
		}
		for _, p := range parts {
			if err := e.w.Run(p); err != nil {
				return err
			}
			e.written.add([]courier.Cover{{Epoch: r.Epoch, First: p.First, Last: p.Last()}})
		}
		e.advance(uint64(len(r.Sealed)))
	}
	return nil
}

// state ends the row.
func (e *export) state(ctx context.Context) error {
	corrections, err := e.Journal.Corrections(ctx)
	if err != nil {
		return err
	}
	for _, msg := range corrections {
		if _, err := wire.OpenCorrection(e.keys, msg); err != nil { // central would refuse it, and no part can hold any length
			e.Log.ErrorContext(ctx, "a correction of the clock is damaged and stays behind", slog.Any("error", err))
			continue
		}
		if err := e.w.Correction(msg); err != nil {
			return err
		}
	}
	s := courier.State{}
	if s.Poll, err = e.Link.State(ctx); err != nil {
		return err
	}
	ends, err := e.Journal.Ends(ctx)
	if err != nil {
		return err
	}
	for _, end := range ends {
		s.Ends = append(s.Ends, courier.End{Epoch: end.Epoch, Last: end.Last, Head: end.Head, Safe: end.Safe})
	}
	if err := e.w.State(s); err != nil {
		return err
	}
	e.stated(e.book.Last, s.Poll.Done)
	return e.w.Close()
}

func (e *export) advance(n uint64) {
	e.done += n
	e.total = max(e.total, e.done)
	if e.progress != nil {
		e.progress(e.done, e.total)
	}
}

// own is what a stick has of this box.
type own struct {
	numbers map[uint64]bool // of all files, whosever they are
	covers  covered         // by parcels that are whole
	good    int             // parcels that serve
	states  []courier.Name  // parcels of a state alone: the newest says all
	safe    []courier.Name  // central has all of them in a backup
	half    []courier.Name  // they have no end, so that nobody can read any of them
	spoilt  []spoilt
}

// spoilt is a damaged parcel. Central takes those of its parts that are whole.
type spoilt struct {
	parcel
	err error
}

// parcel is what is known of a file that bears the name of a parcel of this box.
type parcel struct {
	courier.Name
	signed bool            // by this box; else nothing is known of it
	covers []courier.Cover // records that it carried when it was written
}

// survey reads the parcels of this box on a stick through, to the last octet: what is counted as carried must be there.
func (c *Courier) survey(ctx context.Context, s *courier.Stick) (own, error) {
	o := own{numbers: map[uint64]bool{}, covers: covered{}}
	names, err := s.Parcels(courier.Up, c.Box)
	if err != nil {
		return o, err
	}
	for _, n := range names {
		o.numbers[n.N] = true
		p, err := c.judge(ctx, s, n, true)
		if p.signed {
			c.above(n.N)
		}
		switch {
		case err == nil && len(p.covers) == 0:
			o.states = append(o.states, n)
		case err == nil && c.safe(p.covers):
			o.safe = append(o.safe, n)
		case err == nil:
			o.covers.add(p.covers)
			o.good++
		case errors.Is(err, courier.ErrHalf) && !p.signed:
			o.half = append(o.half, n)
		case errors.Is(err, courier.ErrHalf), errors.Is(err, courier.ErrDamaged):
			o.spoilt = append(o.spoilt, spoilt{p, err})
		case errors.Is(err, courier.ErrGone), ctx.Err() != nil:
			return o, err
		default:
			c.Log.WarnContext(ctx, "a parcel under this box's name is not its own", slog.String("file", n.String()), slog.Any("error", err))
		}
	}
	return o, nil
}

// judge returns what one parcel of this box carries, also where a part of it is at fault; wholly reads it to the last octet.
func (c *Courier) judge(ctx context.Context, s *courier.Stick, n courier.Name, wholly bool) (_ parcel, err error) {
	found := parcel{Name: n}
	p, err := open(s, n)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.Verify(c.keys); err != nil {
		return found, err
	}
	found.signed, found.covers = true, p.Covers
	if !wholly {
		return found, nil
	}
	for _, err := range p.Parts() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return found, err
		}
	}
	return found, nil
}

// open opens a parcel that was listed: if it is not there any more, neither is the stick.
func open(s *courier.Stick, n courier.Name) (*courier.Parcel, error) {
	p, err := s.Open(n)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", courier.ErrGone, err)
	}
	return p, err
}

// safe reports whether central signed all of it as safe.
func (c *Courier) safe(covers []courier.Cover) bool {
	for _, r := range covers {
		if !c.Journal.Safe(r.Epoch, r.First, r.Last) {
			return false
		}
	}
	return true
}

// tidy takes off the stick what is of no use once the new row is whole: states that are overtaken, what is safe, what has no end, and what is
// damaged, if each of its records is elsewhere.
func (e *export) tidy(ctx context.Context, there own) error {
	e.sum.Known = there.good
	carried := there.covers
	for _, covers := range e.written {
		carried.add(covers)
	}
	carried.merge()
	useless := slices.Concat(there.states, there.safe, there.half)
	for _, p := range there.spoilt {
		if p.signed && e.elsewhere(carried, p.covers) {
			useless = append(useless, p.Name)
			continue
		}
		e.sum.refuse(p.Name, p.err)
		e.Log.WarnContext(ctx, "a damaged parcel stays: what is whole of it may be nowhere else",
			slog.String("file", p.String()), slog.Any("error", p.err))
	}
	if err := e.stick.Remove(useless...); err != nil {
		return err
	}
	e.sum.Removed += len(useless)
	return nil
}

// elsewhere reports whether every record is carried by a parcel that is whole, or safe.
func (c *Courier) elsewhere(carried covered, covers []courier.Cover) bool {
	for _, r := range covers {
		if !c.safe(carried.lacking(r.Epoch, r.First, r.Last)) {
			return false
		}
	}
	return true
}
