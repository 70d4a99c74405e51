package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"kazashi.example/central/intake"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/canon"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
)

// Taken is what became of a parcel.
type Taken struct {
	Kind parcel.Kind
	Box  record.BoxID
	N    uint64
	Made time.Time // by the clock of who made it
	Row  store.Box // the box as it is registered; zero if it has not joined

	Records            int // in the parcel, as far as they could be read
	Fresh, Held, Known int // came just now; of those, held because nobody may open them yet; were here
	Epochs             int
	Corrections        int

	State   StateWord
	Waiting uint64 // records that the box says it has not delivered

	Refused []string // parts and records that were not taken, the first MaxRefused; the rest was taken
	More    int      // of them that are not listed

	Answer []byte // to a request to join: a parcel of kind Joined
}

// MaxRefused caps what one parcel's answer lists.
const MaxRefused = 100

// StateWord says what became of what a box said of itself.
type StateWord string

// Words about states.
const (
	StateNone  StateWord = ""      // the parcel has none, or it was not believed
	StateTaken StateWord = "taken" // it is the newest
	StateOlder StateWord = "older" // the same or a newer one is here
)

func (t *Taken) refuse(format string, args ...any) {
	if len(t.Refused) == MaxRefused {
		t.More++
		return
	}
	t.Refused = append(t.Refused, fmt.Sprintf(format, args...))
}

// Take takes a parcel of size octets. A *Refusal says that nothing of it was taken, and why; what is at fault in it and kept nothing else out is
// in Taken. After any other error a part may have been taken; doing it again is right.
func (c *Courier) Take(ctx context.Context, r io.ReaderAt, size int64) (t Taken, err error) {
	p, err := parcel.Read(r, size)
	if err != nil {
		return t, &Refusal{err}
	}
	t = Taken{Kind: p.Kind, Box: p.Box, N: p.N, Made: p.Made}
	switch p.Kind {
	case parcel.Up, parcel.Recovered:
		err = c.up(ctx, p, &t)
	case parcel.Joining:
		err = c.join(ctx, p, &t)
	case parcel.Down, parcel.Joined:
		err = &Refusal{ErrWay}
	}
	c.Log.InfoContext(ctx, "a parcel came by courier", slog.String("kind", p.Kind.String()), slog.String("box", p.Box.String()),
		slog.Uint64("number", p.N), slog.Int("records", t.Records), slog.Int("new", t.Fresh), slog.Int("refused", len(t.Refused)+t.More),
		slog.Any("error", err))
	return t, err
}

// up takes records, corrections and what the box says of itself. Records prove themselves, so those of a box that has not joined, and those from
// a dead box's disk, are taken on nobody's word; what else there is needs the box's own.
func (c *Courier) up(ctx context.Context, p *parcel.Parcel, t *Taken) error {
	row, said, err := c.box(ctx, p.Box)
	joined := err == nil
	if err != nil && !errors.Is(err, store.ErrNone) {
		return fmt.Errorf("finding box %s: %w", p.Box, err)
	}
	t.Row = row
	b := &batch{Courier: c, carrier: intake.Operator, taken: t, epochs: map[record.EpochID]bool{}}
	vouched := joined && p.Kind == parcel.Up
	if vouched {
		key, err := vouch(p, row)
		if err != nil {
			return err
		}
		b.own = row.ID
		if row.State != store.BoxRevoked {
			b.carrier = key
		}
	}
	if err := b.parts(ctx, p); err != nil {
		return err
	}
	t.Epochs = len(b.epochs)
	if !vouched {
		return nil
	}
	return c.state(ctx, p, row, said, t)
}

// vouch verifies that a box signed a parcel, and returns its key's id.
func vouch(p *parcel.Parcel, row store.Box) (sign.KeyID, error) {
	key, err := sign.ParsePublicKey(row.Device)
	if err != nil {
		return sign.KeyID{}, fmt.Errorf("reading the device key of box %s: %w", row.ID, err)
	}
	id, err := p.Verify(sign.One{Key: key})
	if err != nil {
		return id, &Refusal{err}
	}
	return id, nil
}

// parts takes corrections and then runs, and names what cannot be taken: a record is opened as soon as it is here, and is judged by what is
// known of its box's clock by then.
func (b *batch) parts(ctx context.Context, p *parcel.Parcel) error {
	if slices.Contains(p.Types(), parcel.TypeCorrection) {
		if err := b.only(ctx, p, parcel.TypeCorrection); err != nil {
			return err
		}
	}
	return b.only(ctx, p, parcel.TypeRun)
}

// only takes the parts of one type.
func (b *batch) only(ctx context.Context, p *parcel.Parcel, t parcel.Type) error {
	types := p.Types()
	for part, err := range p.Parts() {
		if part.Type != t {
			continue
		}
		if err == nil {
			err = b.part(ctx, part)
		}
		var refused *Refusal
		switch {
		case err == nil:
		case errors.As(err, &refused), errors.Is(err, parcel.ErrDamaged):
			b.taken.refuse("part %d of %d: %v", part.Index+1, len(types), err)
		default:
			return err
		}
	}
	return b.flush(ctx)
}

func (b *batch) part(ctx context.Context, part parcel.Part) error {
	switch part.Type {
	case parcel.TypeRun:
		r, err := part.Run()
		if err != nil {
			return &Refusal{err}
		}
		s, err := r.Epoch()
		if err != nil {
			return &Refusal{err}
		}
		if err := b.ours(ctx, s); err != nil {
			return err
		}
		return b.run(ctx, r, s)
	case parcel.TypeCorrection:
		return b.correction(ctx, part.Octets)
	default:
		return nil // states are read as a whole
	}
}

// ours refuses what nobody here could ever open, unless its box is one of ours, whose records are kept whatever they are.
func (b *batch) ours(ctx context.Context, s epoch.Signed) error {
	_, err := b.SealKeys.SealKey(s.Header.Recipient)
	if !errors.Is(err, opener.ErrSealKey) {
		return err // a store of keys that does not answer says nothing about the stick
	}
	_, _, err = b.box(ctx, s.Header.Box)
	if errors.Is(err, store.ErrNone) {
		return &Refusal{ErrCentral}
	}
	return err
}

// state takes up what the box says of itself, unless it said something newer before.
func (c *Courier) state(ctx context.Context, p *parcel.Parcel, row store.Box, said store.CourierState, t *Taken) error {
	s, ok, err := p.State()
	if isForm(err) {
		t.refuse("what the box says of itself: %v", err)
		return nil
	}
	if err != nil || !ok {
		return err
	}
	t.Waiting = s.Poll.Waiting
	kept, err := EncodeState(s)
	if err != nil {
		return err
	}
	keep := func() (news bool, err error) {
		state := store.CourierState{Box: row.ID, N: p.N, Made: p.Made, Received: c.Now(), State: kept}
		err = c.Store.Update(ctx, func(tx store.Tx) (err error) { news, err = tx.SetCourierState(state, endsOf(s)); return err })
		return news, err
	}
	switch t.State = StateOlder; {
	case said.N > p.N: // what it said then of how far its epochs go counts all the same
		c.fell(row.ID, said.N)
		_, err = keep()
		return err
	case said.N == p.N:
		return nil
	}
	var refused *uplink.Refusal
	err = c.Line.HearCourier(ctx, row, s.Poll)
	if errors.As(err, &refused) {
		t.State = StateNone
		t.refuse("what the box says of itself: %s", refused.Message)
		return nil
	}
	if err != nil {
		return fmt.Errorf("taking up what box %s says by courier: %w", row.ID, err)
	}
	news, err := keep()
	if err == nil && news {
		t.State = StateTaken
	}
	return err
}

// fell notes that a box numbers its parcels below the newest that came from it. It may be an old parcel, or a box that was set back and whose
// clock is wrong: then it must be told how far its numbers went, or nothing that it says of itself ever counts again. A stop forgets the note;
// its next stick brings it again.
func (c *Courier) fell(id record.BoxID, newest uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind[id] = newest
}

// fellBack takes the note back, and reports whether there was one of that newest parcel.
func (c *Courier) fellBack(id record.BoxID, newest uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.behind[id]
	delete(c.behind, id)
	return ok && n == newest
}

func endsOf(s parcel.State) []store.CourierEnd {
	ends := make([]store.CourierEnd, 0, len(s.Ends))
	for _, e := range s.Ends {
		ends = append(ends, store.CourierEnd{Epoch: e.Epoch, Last: e.Last, Head: e.Head})
	}
	return ends
}

// isForm reports whether an error is the parcel's fault.
func isForm(err error) bool {
	for _, known := range []error{parcel.ErrDamaged, canon.ErrForm, canon.ErrShape, canon.ErrSize} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// join registers a box whose request the parcel is, and makes the answer.
func (c *Courier) join(ctx context.Context, p *parcel.Parcel, t *Taken) error {
	for part, err := range p.Parts() {
		if err != nil {
			return &Refusal{err}
		}
		q, err := part.JoinRequest()
		if err != nil {
			return &Refusal{err}
		}
		if q.Box != p.Box {
			return &Refusal{parcel.ErrOtherBox}
		}
		a, err := c.Line.JoinByCourier(ctx, q)
		var refused *uplink.Refusal
		if errors.As(err, &refused) {
			return &Refusal{errors.New(refused.Message)}
		}
		if err != nil {
			return err
		}
		if t.Answer, err = c.answer(q, a); err != nil {
			return fmt.Errorf("answering box %s: %w", q.Box, err)
		}
		t.Row, _, err = c.box(ctx, q.Box)
		return err
	}
	return &Refusal{parcel.ErrDamaged}
}
