package crl

import (
	"context"
	"errors"
	"math"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
)

// Changes is what turns one set into another, and the least room that it can take.
type Changes struct {
	Removed, Changed, Added uint64
	// Limit is the information in the changes, in octets: which of the n entries were removed or changed (log2 C(n, r) and log2 C(n−r, c)),
	// which of the other serials in the range were added (log2 C(U−n, a)), for each addition its reason (the entropy of those that
	// occur) and its second (log2 of the range of those that occur), and for each change the same of what is another than before.
	Limit float64
}

// Between compares two sets.
func Between(ctx context.Context, base, next *crlset.Set) (Changes, error) {
	return differences(ctx, base.Source(), next.Source(), base.Len(), universe(next.Plan()), next.Columns())
}

// Changes is what the step to a set changed. ErrNone for a set to which no step is kept.
func (s *Store) Changes(ctx context.Context, of certid.Scope, next rule.Version) (Changes, error) {
	sc, err := s.known(of)
	if err != nil {
		return Changes{}, err
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	for _, st := range sc.pub.steps {
		if st.Next != next || st.begins() || sc.pub.set == nil {
			continue
		}
		return sc.changes(ctx, st)
	}
	return Changes{}, ErrNone
}

func (sc *scope) changes(ctx context.Context, st step) (c Changes, err error) {
	before, done, err := sc.source(st, st.Before, endBefore)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, done()) }()
	after, end, err := sc.source(st, st.After, endAfter)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, end()) }()
	return differences(ctx, before, after, st.Entries+st.Before.Entries-st.After.Entries, universe(sc.pub.set.Plan()), sc.pub.head.Columns)
}

// source are the entries of one file of a step. done is to be called after use.
func (sc *scope) source(st step, c changes, end string) (_ crlset.Source, done func() error, _ error) {
	if c.Entries == 0 {
		return crlset.Merge(), func() error { return nil }, nil
	}
	set, done, err := sc.opened.open(st.Next, sc.past(st.Next, end), c)
	if err != nil {
		return nil, nil, err
	}
	return set.Source(), done, nil
}

// differences counts where two sources differ; n is how many entries the base has in all.
func differences(ctx context.Context, base, next crlset.Source, n uint64, universe float64, columns crlset.Columns) (c Changes, err error) {
	var added, reasons, dates payload // reasons and dates of entries that are told otherwise
	err = abreast(ctx, base, next, func(b, e *crlset.Entry) error {
		switch {
		case e == nil:
			c.Removed++
		case b == nil:
			c.Added++
			added.note(e)
		case *b != *e:
			c.Changed++
			if b.Reason != e.Reason {
				reasons.note(e)
			}
			if b.Date != e.Date {
				dates.note(e)
			}
		}
		return nil
	})
	if err != nil {
		return Changes{}, err
	}
	r, ch, a, all := float64(c.Removed), float64(c.Changed), float64(c.Added), float64(n)
	c.Limit = (choose(all, r) + choose(all-r, ch) + choose(max(universe-all, a), a) +
		added.reason() + reasons.reason() + added.date(columns) + dates.date(columns)) / 8
	return c, nil
}

// payload is what entries say beside their serial.
type payload struct {
	entries  float64
	reasons  [16]float64
	min, max int64
}

func (p *payload) note(e *crlset.Entry) {
	if p.entries == 0 {
		p.min, p.max = e.Date, e.Date
	}
	p.entries++
	p.reasons[e.Reason&15]++
	p.min, p.max = min(p.min, e.Date), max(p.max, e.Date)
}

// reason is the information in the reasons, in bits.
func (p *payload) reason() (bits float64) {
	for _, n := range p.reasons {
		if n > 0 {
			bits += n * math.Log2(p.entries/n)
		}
	}
	return bits
}

// date is the information in the dates, in bits.
func (p *payload) date(columns crlset.Columns) float64 {
	if columns&crlset.Dates == 0 || p.entries == 0 {
		return 0
	}
	return p.entries * math.Log2(float64(p.max-p.min+1))
}

// choose is log2 of the number of ways to choose k of n.
func choose(n, k float64) float64 {
	if k <= 0 || n <= k {
		return 0
	}
	if n > 1<<50 { // where the terms below would cancel out
		return k*(math.Log2(n)-math.Log2(k)) + k/math.Ln2 - math.Log2(2*math.Pi*k)/2
	}
	gamma := func(x float64) float64 { v, _ := math.Lgamma(x + 1); return v }
	return (gamma(n) - gamma(k) - gamma(n-k)) / math.Ln2
}

// universe is how many serials have their place in a plan.
func universe(p crlset.Plan) (n float64) {
	for _, r := range p.Regions {
		n += math.Ldexp(float64(r.Blocks), int(r.Shift)+int(r.Tail))
	}
	return n
}
