package mine

import (
	"context"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Report says of each epoch, in the order of opening, what was found. It counts whole records by what [Source.Records] has yielded, so that it is
// asked after the last one. How many an epoch had is known from its successor's header; what lies before the oldest row was deleted as safe.
func (s *Source) Report(ctx context.Context) ([]Found, error) {
	if err := s.scan(ctx); err != nil {
		return nil, err
	}
	for n := range s.ends {
		s.finding(n)
	}
	for n := range s.epochs {
		s.finding(n)
	}
	oldest := s.oldest()
	var all []Found
	for _, n := range sorted(s.found) {
		f := s.found[n]
		got := Found{N: n, Whole: f.whole.len(), Deleted: f.gone.len(), Last: f.last}
		if end, ok := s.ends[n]; ok {
			got.Last, got.Epoch = end.LastSeq, end.Epoch
		}
		if e := s.epochs[n]; e != nil {
			got.Epoch, got.Header = e.Signed.Header.Epoch, true
		}
		from := record.Seq(1)
		switch {
		case n > 0 && n < oldest:
			continue // nothing of it is left, and nothing of it was lost
		case n == oldest || n < 0: // of an epoch that came from elsewhere it is not known what it had
			from = f.first()
		}
		if had := uint64(got.Last-from) + 1; got.Last >= from && had > got.Whole+got.Deleted {
			got.Damaged = had - got.Whole - got.Deleted
		}
		all = append(all, got)
	}
	return all, nil
}

// Unreadable is how many pages of the files the disk did not give when they were read last; what stood on them is not known. It is asked after
// the last record, like Report.
func (s *Source) Unreadable() uint64 { return s.unread }

// endings are the ends of epochs by their successors' word, under their own numbers.
func (s *Source) endings() map[int64]epoch.Predecessor {
	all := map[int64]epoch.Predecessor{}
	for n, e := range s.epochs {
		p, before := e.Signed.Header.Predecessor, s.epochs[n-1]
		if n < 2 || p.Lineage != epoch.LineageKnown || before != nil && before.Signed.Header.Epoch != p.Epoch {
			continue
		}
		if s.Own == nil || s.Own(e.Signed) {
			all[n-1] = p
		}
	}
	return all
}

// oldest is the first own epoch with any row; if none has, all had some.
func (s *Source) oldest() int64 {
	for _, n := range sorted(s.found) {
		if f := s.found[n]; n > 0 && f.last > 0 {
			return n
		}
	}
	return 0
}

// first is the smallest number seen.
func (f *finding) first() record.Seq {
	switch a, b := f.gone.first(), f.whole.first(); {
	case a == 0:
		return max(b, 1)
	case b == 0:
		return a
	default:
		return min(a, b)
	}
}
