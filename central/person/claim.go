package person

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// claims keeps words about numbers, and of those that link one number the first.
type claims struct {
	tx  store.Tx
	now time.Time
	tap record.TapID // of the record that is being applied

	out    Outcome
	barred bool // that record links a number that is another's
}

// say keeps a word about a person's number, who had the one of the index before.
func (c *claims) say(n store.ServiceNumber, before []byte) error {
	n.Barred = n.Number != nil // until it is seen whose the number is
	if err := c.tx.SetNumber(n); err != nil {
		return err
	}
	if err := raise(c.tx, n.Person, &c.out); err != nil {
		return err
	}
	if !bytes.Equal(before, n.Index) {
		if err := c.settle(n, before); err != nil {
			return err
		}
	}
	return c.settle(n, n.Index)
}

// settle lets a number be that person's to whom it was linked first, after a word of somebody who claims it now, or did.
func (c *claims) settle(by store.ServiceNumber, index []byte) error {
	all, err := c.tx.NumbersTo(by.Service, index)
	if err != nil || len(all) == 0 {
		return err
	}
	slices.SortFunc(all, func(a, b store.ServiceNumber) int {
		return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Tap.ID128[:], b.Tap.ID128[:]))
	})
	for _, n := range all[1:] { // before the first may have it
		if err := c.bar(n, true, n.Person == by.Person); err != nil {
			return err
		}
	}
	if err := c.bar(all[0], false, all[0].Person == by.Person); err != nil {
		return err
	}
	return c.conflicts(all, by.Person)
}

// bar says whether a claim counts, and gives its record another last word if that is news. A claim that was just said is always looked at.
func (c *claims) bar(n store.ServiceNumber, barred, fresh bool) error {
	if n.Barred == barred && !fresh {
		return nil
	}
	n.Barred = barred
	if err := errors.Join(c.tx.SetNumber(n), raise(c.tx, n.Person, &c.out)); err != nil {
		return err
	}
	if n.Tap == c.tap {
		c.barred = barred
	}
	return c.turn(n)
}

// turn gives the record that linked a number its last word, unless it is being applied or said so before.
func (c *claims) turn(n store.ServiceNumber) error {
	r, err := c.tx.RecordByTap(n.Tap)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil || n.Barred == (r.Final.Reason == record.ReasonNumberTaken) {
		return err
	}
	v := wire.Verdict{
		Epoch: r.ID.Epoch, Seq: r.ID.Seq, Tap: r.Tap, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Answer: r.Final.Answer,
		Source: r.Source, Settled: c.now.UnixMilli(),
	}
	if n.Barred {
		v.Verdict, v.Reason = record.VerdictRefused, record.ReasonNumberTaken
	}
	box, err := c.tx.Box(r.Box)
	if err != nil {
		return err
	}
	if !slices.Contains(c.out.Sites, box.Site) {
		c.out.Sites = append(c.out.Sites, box.Site)
	}
	_, err = c.tx.AddVerdict(r.Box, v)
	return errors.Join(err, c.tx.MarkRoster(box.Site))
}

// conflicts keeps who claims the number of the first, and settles those with somebody who does no more.
func (c *claims) conflicts(all []store.ServiceNumber, by int64) error {
	for _, n := range all {
		for _, pair := range [][2]int64{{n.Person, by}, {by, n.Person}} {
			if err := c.tx.SettleConflict(store.ConflictNumber, pair[0], pair[1], c.now); err != nil {
				return err
			}
		}
	}
	for _, n := range all[1:] {
		who, err := c.tx.Person(n.Person)
		if err != nil {
			return err
		}
		_, err = c.tx.AddConflict(store.Conflict{
			Kind: store.ConflictNumber, Verifier: who.Verifier, Person: all[0].Person, Other: n.Person, At: c.now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
