package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"iter"
	"os"
	"slices"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// plain is the list's serials with nothing to say of them, so that a set's octets are those of serials alone.
func (r *revocationRun) plain() (*crlgen.List, error) {
	s := r.spec()
	s.Mix = crlgen.Mix{{Reason: crlset.Unspecified, Weight: 1}}
	return crlgen.New(s)
}

// build writes a list's set by the planner, and its digests beside it.
func (r *revocationRun) build(l *crlgen.List, c crlset.Columns, name string) (crlset.Summary, error) {
	f, err := os.Create(r.file(name))
	if err != nil {
		return crlset.Summary{}, fmt.Errorf("making a set: %w", err)
	}
	defer f.Close()
	w := crlset.NewPlanningWriter(f, c)
	batch := make([]crlset.Entry, 0, 4096)
	for e := range l.Entries() {
		if batch = append(batch, e.Entry); len(batch) == cap(batch) {
			if err := w.AddBatch(batch); err != nil {
				return crlset.Summary{}, fmt.Errorf("making a set: %w", err)
			}
			batch = batch[:0]
		}
	}
	if err := w.AddBatch(batch); err != nil {
		return crlset.Summary{}, fmt.Errorf("making a set: %w", err)
	}
	sum, err := w.Close()
	if err != nil {
		return sum, fmt.Errorf("making a set: %w", err)
	}
	if err := os.WriteFile(r.file(name+".digests"), sum.Digests, 0o600); err != nil {
		return sum, fmt.Errorf("keeping digests: %w", err)
	}
	return sum, f.Sync()
}

// measureSets compares sets with the least that they could take.
func (r *revocationRun) measureSets(context.Context) error {
	plain, err := r.plain()
	if err != nil {
		return err
	}
	serials, err := r.build(plain, 0, "serials.set")
	if err != nil {
		return err
	}
	full, err := r.build(r.list, crlset.Full, "full.set")
	if err != nil {
		return err
	}
	n := float64(r.entries)
	fmt.Fprintf(r.Out, "# limits: serials %.0f octets (log2 of the ways to choose), with date and reason %.0f; sets: %d and %d, everything in the file\n",
		r.limit(false), r.limit(true), serials.Size, full.Size)
	r.figure("set_serial_bytes_vs_limit", "%.4f", float64(serials.Size)/r.limit(false), "ratio")
	r.figure("set_serial_bytes_per_entry", "%.4f", float64(serials.Size)/n, "B")
	r.figure("set_full_bytes_vs_limit", "%.4f", float64(full.Size)/r.limit(true), "ratio")
	r.figure("set_full_bytes_per_entry", "%.4f", float64(full.Size)/n, "B")
	return r.publish(full)
}

// publish writes the manifest of the set, signed by a key of the run, and the key.
func (r *revocationRun) publish(sum crlset.Summary) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	table := []manifest.Row{r.row(r.list)}
	h, err := r.head(1).Describe(sum, table)
	if err != nil {
		return err
	}
	signed, err := h.Sign(key)
	if err != nil {
		return err
	}
	b, err := manifest.Manifest{Signed: signed, Digests: sum.Digests, Table: table}.Encode()
	if err != nil {
		return err
	}
	public, err := sign.PublicKeyOf(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.file("full.manifest"), b, 0o600); err != nil {
		return fmt.Errorf("keeping a manifest: %w", err)
	}
	return os.WriteFile(r.file("key.der"), public.DER(), 0o600)
}

// head is what the set says of itself beside what follows from its file.
func (r *revocationRun) head(number uint64) manifest.Head {
	id := make([]byte, len(certid.KeyID{}))
	return manifest.Head{
		Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: rule.Version{CentralEpoch: 1, N: number}, Issuers: [][]byte{id},
	}
}

func (r *revocationRun) row(l *crlgen.List) manifest.Row {
	s := l.Spec()
	return manifest.Row{
		Key: make([]byte, len(certid.KeyID{})), Number: s.Number, ThisUpdate: s.ThisUpdate.Unix(), NextUpdate: s.NextUpdate.Unix(),
	}
}

// source gives a list to what compares sets.
type source struct {
	next func() (crlgen.Entry, bool)
}

// Next is crlset.Source's.
func (s source) Next(e *crlset.Entry) (bool, error) {
	got, ok := s.next()
	*e = got.Entry
	return ok, nil
}

// wire is the delta of a day as it travels: its file, and its head with signature and partition.
func (r *revocationRun) wire(next *crlgen.List, name string) (octets int, err error) {
	digests, err := os.ReadFile(r.file("full.set.digests"))
	if err != nil {
		return 0, fmt.Errorf("reading digests: %w", err)
	}
	base, err := crlset.OpenFile(r.file("full.set"), digests)
	if err != nil {
		return 0, err
	}
	defer base.Close()
	from, stop := iter.Pull(next.Entries())
	defer stop()
	var b bytes.Buffer
	st, err := delta.Write(&b, base, source{from}, base.Plan())
	if err != nil {
		return 0, fmt.Errorf("making a delta: %w", err)
	}
	if err := os.WriteFile(r.file(name), b.Bytes(), 0o600); err != nil {
		return 0, fmt.Errorf("keeping a delta: %w", err)
	}
	d, err := delta.Open(b.Bytes())
	if err != nil {
		return 0, err
	}
	var made bytes.Buffer
	sum, err := delta.Apply(&made, base, d)
	if err != nil {
		return 0, fmt.Errorf("applying a delta: %w", err)
	}
	if err := r.confirm(made.Bytes(), next); err != nil {
		return 0, err
	}
	head, err := r.deltaHead(base, digests, next, st, sum)
	return b.Len() + len(head), err
}

// deltaHead is the signed head of the delta, the next set's head in it.
func (r *revocationRun) deltaHead(base *crlset.Set, digests []byte, next *crlgen.List, st delta.Stats, sum crlset.Summary) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	before, after := []manifest.Row{r.row(r.list)}, []manifest.Row{r.row(next)}
	h, err := r.head(2).Describe(sum, after)
	if err != nil {
		return nil, err
	}
	d := manifest.DeltaHead{
		Version: manifest.Version, Base: r.head(1).Number, Root: crlset.Root(base.Size(), digests), Size: st.Size, Digests: st.Digests,
	}
	if d.Next, err = h.Sign(key); err != nil {
		return nil, err
	}
	return d.Between(before, after).Sign(key)
}

// confirm compares what a delta made with the list that it must be.
func (r *revocationRun) confirm(set []byte, next *crlgen.List) error {
	s, err := crlset.Open(set)
	if err != nil {
		return err
	}
	from := s.Source()
	var got crlset.Entry
	for want := range next.Entries() {
		if ok, err := from.Next(&got); err != nil || !ok || got != want.Entry {
			return fmt.Errorf("%w: base with delta, and the list: %w", ErrSame, err)
		}
	}
	if ok, err := from.Next(&got); ok || err != nil {
		return fmt.Errorf("%w: base with delta has more than the list: %w", ErrSame, err)
	}
	return nil
}

// measureDelta compares deltas with the least that they could take, and applying with writing.
func (r *revocationRun) measureDelta(ctx context.Context) error {
	for _, d := range []struct {
		name    string
		next    *crlgen.List
		changes crlgen.Changes
	}{{"delta", r.next, crlgen.Changes{Additions: dayChanges}}, {"delta_mixed", r.mixed, mixedDay}} {
		octets, err := r.wire(d.next, d.name)
		if err != nil {
			return err
		}
		limit := r.dayLimit(d.changes)
		fmt.Fprintf(r.Out, "# %s: %d additions, %d removals, %d other reasons; limit %.0f octets: which serials come, with second of the day and reason,"+
			" which go, which of the rest get which other reason\n", d.name, d.changes.Additions, d.changes.Removals, d.changes.Reasons, limit)
		r.figure(d.name+"_bytes_vs_limit", "%.4f", float64(octets)/limit, "ratio")
		r.figure(d.name+"_bytes", "%d", octets, "B")
	}
	s := series{}
	for range r.rounds {
		if err := r.applyRound(ctx, s); err != nil {
			return err
		}
	}
	return r.print(s, []figureOf{
		{"delta_apply_vs_write_fsync", "apply/write", "%.2f", "ratio"},
		{"delta_apply_ms", "apply", "%.0f", "ms"},
		{"write_fsync_ms", "write", "%.0f", "ms"},
		{"delta_apply_rss_mib", "rss", "%.1f", "MiB"},
		{"delta_apply_rss_anon_mib", "anon", "%.1f", "MiB"},
	})
}

// applyRound applies the delta once in a process of its own, whose memory is looked at, and then in turn with writing the same octets.
func (r *revocationRun) applyRound(ctx context.Context, s series) error {
	var one applied
	if err := r.ask(ctx, &one, childApply, r.dir, "1"); err != nil {
		return err
	}
	s["rss"], s["anon"] = append(s["rss"], one.RSS), append(s["anon"], one.Anon)
	var many applied
	if err := r.ask(ctx, &many, childApply, r.dir, fmt.Sprint(appliesPerRound), "write"); err != nil {
		return err
	}
	s["apply"] = append(s["apply"], many.Apply...)
	s["write"] = append(s["write"], many.Write...)
	for i := range many.Apply {
		s["apply/write"] = append(s["apply/write"], many.Apply[i]/many.Write[i])
	}
	return nil
}

// appliesPerRound is how many pairs of applying and writing a process makes.
const appliesPerRound = 5

// measureCold asks a set that is not in the page cache.
func (r *revocationRun) measureCold(ctx context.Context) error {
	s := series{}
	keys := slices.Collect(someKeys(r.list, max(r.rounds, fullRounds)))
	for _, k := range keys {
		c, err := r.askCold(ctx, k)
		if err != nil {
			return err
		}
		if !c.Found {
			return fmt.Errorf("%w: a serial of the list is not in its set", ErrSame)
		}
		s["ms"], s["process"], s["anon"] = append(s["ms"], c.MS), append(s["process"], c.process), append(s["anon"], c.Anon)
		if !c.Dropped {
			fmt.Fprintln(r.Out, "# the set's pages could not be dropped from the cache before this start")
		}
	}
	return r.print(s, []figureOf{
		{"cold_start_ms", "ms", "%.1f", "ms"},
		{"cold_start_process_ms", "process", "%.1f", "ms"},
		{"cold_start_rss_anon_mib", "anon", "%.1f", "MiB"},
	})
}
