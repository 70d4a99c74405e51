package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/crlset"
)

// Files of the run that children look for: what central published of the list, the delta to the day after, and what it must lead to.
const (
	baseSet      = "base.set"
	baseManifest = "base.manifest"
	deltaFile    = "delta"
	nextSet      = "next.set"
	serialsSet   = "serials.set"
	digestsEnd   = ".digests"
	signKey      = "sign.der"
)

// plain is the list's serials with nothing to say of them, so that a set's octets are those of serials alone.
func (r *revocationRun) plain() (*crlgen.List, error) {
	s := r.spec()
	s.Mix = crlgen.Mix{{Reason: crlset.Unspecified, Weight: 1}}
	return crlgen.New(s)
}

// buildSerials writes the set of serials alone, which central never publishes, and its digests beside it.
func (r *revocationRun) buildSerials() (crlset.Summary, error) {
	l, err := r.plain()
	if err != nil {
		return crlset.Summary{}, err
	}
	f, err := os.Create(r.file(serialsSet))
	if err != nil {
		return crlset.Summary{}, fmt.Errorf("making a set: %w", err)
	}
	defer f.Close()
	sum, err := writeSet(crlset.NewPlanningWriter(f, 0), l)
	if err != nil {
		return sum, fmt.Errorf("making a set: %w", err)
	}
	if err := os.WriteFile(r.file(serialsSet+digestsEnd), sum.Digests, 0o600); err != nil {
		return sum, fmt.Errorf("keeping digests: %w", err)
	}
	return sum, f.Sync()
}

func writeSet(w *crlset.PlanningWriter, l *crlgen.List) (crlset.Summary, error) {
	batch := make([]crlset.Entry, 0, 4096)
	for e := range l.Entries() {
		if batch = append(batch, e.Entry); len(batch) == cap(batch) {
			if err := w.AddBatch(batch); err != nil {
				return crlset.Summary{}, err
			}
			batch = batch[:0]
		}
	}
	if err := w.AddBatch(batch); err != nil {
		return crlset.Summary{}, err
	}
	return w.Close()
}

// measureSets compares what central publishes with the least that it could take: the set, and the deltas of two days.
func (r *revocationRun) measureSets(ctx context.Context) (err error) {
	serials, err := r.buildSerials()
	if err != nil {
		return err
	}
	c, err := r.newCentral(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	if err := c.keyFile(r.file(signKey)); err != nil {
		return err
	}
	stick, err := c.day(ctx, r.list, "base")
	if err != nil {
		return err
	}
	if err := errors.Join(r.take(stick, ".set", baseSet), r.take(stick, ".manifest", baseManifest)); err != nil {
		return err
	}
	size, err := r.agree(baseSet, r.list)
	if err != nil {
		return err
	}
	n := float64(r.entries)
	fmt.Fprintf(r.Out, "# limits: serials %.0f octets (log2 of the ways to choose), with date and reason %.0f; sets: %d and %d, everything in the file\n",
		r.limit(false), r.limit(true), serials.Size, size)
	r.figure("set_serial_bytes_vs_limit", "%.4f", float64(serials.Size)/r.limit(false), "ratio")
	r.figure("set_serial_bytes_per_entry", "%.4f", float64(serials.Size)/n, "B")
	r.figure("set_full_bytes_vs_limit", "%.4f", float64(size)/r.limit(true), "ratio")
	r.figure("set_full_bytes_per_entry", "%.4f", float64(size)/n, "B")
	return r.measureDays(ctx, c)
}

// agree compares a set with the list that it must be of, and says how large it is.
func (r *revocationRun) agree(name string, l *crlgen.List) (size uint64, err error) {
	s, err := crlset.OpenFile(r.file(name), nil)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	from := s.Source()
	var got crlset.Entry
	for want := range l.Entries() {
		if ok, err := from.Next(&got); err != nil || !ok || got != want.Entry {
			return 0, fmt.Errorf("%w: %s, and the list: %w", ErrSame, name, err)
		}
	}
	if ok, err := from.Next(&got); ok || err != nil {
		return 0, fmt.Errorf("%w: %s has more than the list: %w", ErrSame, name, err)
	}
	return s.Size(), nil
}

// measureDays has central make a delta of each day.
func (r *revocationRun) measureDays(ctx context.Context, c *central) error {
	for i, d := range []struct {
		name    string
		list    *crlgen.List
		before  *crlgen.List
		changes crlgen.Changes
	}{{"delta", r.next, r.list, addingDay}, {"delta_mixed", r.mixed, r.next, mixedDay}} {
		stick, err := c.day(ctx, d.list, d.name)
		if err != nil {
			return err
		}
		file, head := d.name+".delta", d.name+".head"
		if i == 0 {
			file = deltaFile
		}
		if err := errors.Join(r.take(stick, ".delta", file), r.take(stick, ".head", head), r.take(stick, ".set", nextSet+d.name)); err != nil {
			return err
		}
		if _, err := r.agree(nextSet+d.name, d.list); err != nil {
			return err
		}
		octets, err := r.sizes(file, head)
		if err != nil {
			return err
		}
		limit := r.dayLimit(d.before, d.changes)
		fmt.Fprintf(r.Out, "# %s: %d additions, %d removals, %d other reasons; limit %.0f octets: which serials come, with second of the day and reason,"+
			" which go, which of the rest get which other reason\n", d.name, d.changes.Additions, d.changes.Removals, d.changes.Reasons, limit)
		r.figure(d.name+"_bytes_vs_limit", "%.4f", float64(octets)/limit, "ratio")
		r.figure(d.name+"_bytes", "%d", octets, "B")
	}
	return os.Rename(r.file(nextSet+"delta"), r.file(nextSet))
}

// sizes adds up files.
func (r *revocationRun) sizes(names ...string) (total int64, err error) {
	for _, n := range names {
		info, err := os.Stat(r.file(n))
		if err != nil {
			return 0, fmt.Errorf("looking at a file: %w", err)
		}
		total += info.Size()
	}
	return total, nil
}
