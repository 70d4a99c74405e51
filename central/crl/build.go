package crl

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// Build makes the next set of a scope from the lists held, and the delta that leads there, and publishes both. If nothing has changed
// it returns the head in force. *IncompleteError while partitions are missing: nothing is published then.
func (s *Store) Build(ctx context.Context, of certid.Scope) (manifest.Head, error) {
	if s.ReadOnly {
		return manifest.Head{}, ErrReadOnly
	}
	sc, err := s.known(of)
	if err != nil {
		return manifest.Head{}, err
	}
	sc.work.Lock()
	defer sc.work.Unlock()
	parts, err := s.complete(sc)
	if err != nil {
		return manifest.Head{}, err
	}
	rows := rowsOf(parts)
	issuers := s.issuers(of, rows)
	if sc.unchanged(rows, issuers) {
		return sc.pub.head, nil
	}
	lists, err := sc.openLists(parts)
	defer closeAll(lists)
	if err != nil {
		return manifest.Head{}, errors.Join(err, s.mend(ctx, sc))
	}
	d := &draft{head: manifest.Head{Hierarchy: of.Hierarchy, Purpose: of.Purpose, Number: s.nextNumber(sc), Issuers: issuers}}
	defer d.discard()
	m := making{s: s, sc: sc, draft: d, parts: parts, lists: lists, rows: rows}
	if err := m.make(ctx); err != nil {
		err = fmt.Errorf("making the next set of %s: %w", of, err)
		if faulty(err) {
			err = errors.Join(err, s.mend(ctx, sc))
		}
		return manifest.Head{}, err
	}
	if err := s.publish(ctx, sc, d); err != nil {
		return manifest.Head{}, fmt.Errorf("publishing the next set of %s: %w", of, err)
	}
	return d.head, nil
}

// unchanged reports whether the set in force is what would be made.
func (sc *scope) unchanged(rows []manifest.Row, issuers [][]byte) bool {
	p := &sc.pub
	return p.set != nil && !sc.damaged.Load() && p.believed && slices.EqualFunc(rows, p.manifest.Table, sameRow) &&
		slices.EqualFunc(issuers, p.head.Issuers, func(a, b []byte) bool { return string(a) == string(b) })
}

func sameRow(a, b manifest.Row) bool {
	return string(a.Point) == string(b.Point) && string(a.Key) == string(b.Key) && a.Number == b.Number &&
		a.ThisUpdate == b.ThisUpdate && a.NextUpdate == b.NextUpdate
}

// nextNumber is above all that were ever given, and at least the time in Unix seconds, so that it rises over a restored disk, too.
func (s *Store) nextNumber(sc *scope) rule.Version {
	return rule.Version{
		CentralEpoch: max(s.CentralEpoch, sc.pub.head.Number.CentralEpoch),
		N:            max(sc.pub.highest+1, uint64(max(s.Now().Unix(), 1))), //nolint:gosec // positive
	}
}

// openLists maps the indexes of all partitions.
func (sc *scope) openLists(parts []part) (lists []*crlset.Set, err error) {
	for _, p := range parts {
		set, err := openSet(filepath.Join(sc.dir, dirLists, p.File), p.Size, p.Digests)
		if err != nil {
			return lists, fmt.Errorf("opening the index of list %d: %w", p.Row.Number, err)
		}
		lists = append(lists, set)
	}
	return lists, nil
}

// mend marks indexes that cannot be read, so that their lists are taken again.
func (s *Store) mend(ctx context.Context, sc *scope) error {
	next, found := sc.state.clone(), false
	for i := range next.Parts {
		p := &next.Parts[i]
		set, err := openSet(filepath.Join(sc.dir, dirLists, p.File), p.Size, p.Digests)
		if err == nil {
			err = errors.Join(set.Scrub(ctx), set.Close())
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		p.Damaged, found = true, true
		s.Log.ErrorContext(ctx, "the index of a revocation list is damaged on the disk; the list must be taken again",
			slog.String("scope", sc.of.String()), slog.Uint64("number", p.Row.Number), slog.Any("error", err))
	}
	if !found {
		return nil
	}
	if err := sc.save(next); err != nil {
		return fmt.Errorf("noting damaged indexes: %w", err)
	}
	sc.state = next
	return nil
}

func closeAll(sets []*crlset.Set) {
	for _, s := range sets {
		_ = s.Close() // was read only
	}
}

// making is one set on its way.
type making struct {
	s     *Store
	sc    *scope
	draft *draft
	parts []part
	lists []*crlset.Set
	rows  []manifest.Row
	base  *crlset.Set // in force so far; nil: none that can be read
}

// entries are those of all partitions, from the beginning.
func (m *making) entries() crlset.Source {
	sources := make([]crlset.Source, len(m.lists))
	for i, l := range m.lists {
		sources[i] = l.Source()
	}
	merged := crlset.Merge(sources...)
	if m.s.Columns == crlset.Full {
		return merged
	}
	return &narrowed{merged, m.s.Columns}
}

// narrowed tells no more than some columns.
type narrowed struct {
	from    crlset.Source
	columns crlset.Columns
}

func (n *narrowed) Next(e *crlset.Entry) (bool, error) {
	ok, err := n.from.Next(e)
	if n.columns&crlset.Dates == 0 {
		e.Date = 0
	}
	if n.columns&crlset.Reasons == 0 && !e.OnHold() {
		e.Reason = crlset.Unspecified
	}
	return ok, err
}

// make writes set, delta and history to temporary files and signs the heads.
func (m *making) make(ctx context.Context) error {
	d := m.draft
	d.step = step{Version: stepVersion, Next: d.head.Number, Made: m.s.Now().Unix()}
	sum, file, err := m.write(ctx)
	if err != nil {
		return err
	}
	if d.head, err = d.head.Describe(sum, m.rows); err != nil {
		return err
	}
	d.step.Root, d.step.ThisUpdate, d.step.NextUpdate, d.step.Issuers = d.head.Root, d.head.ThisUpdate, d.head.NextUpdate, d.head.Issuers
	d.step.Entries = d.head.Entries
	if err := m.check(ctx, sum); err != nil {
		return err
	}
	return m.sign(sum, file)
}

// write makes the set, by a delta from the one in force if that can be read and most of it stays.
func (m *making) write(ctx context.Context) (crlset.Summary, *deltaFile, error) {
	base := m.sc.pub.set
	if base != nil && base.Columns() == m.s.Columns && !m.sc.damaged.Load() {
		m.base = base
		sum, file, err := m.fromBase(ctx)
		if err == nil || ctx.Err() != nil {
			return sum, file, err
		}
		m.draft.discard()
		m.giveUp(ctx, err)
	}
	sum, err := m.fresh(ctx)
	return sum, nil, err
}

// giveUp tells why there is no delta, and lets go of a base that cannot be read. Whatever it was, it must not keep lists from boxes; what is
// wrong with the lists' indexes or with the disk shows again when the set is made without it.
func (m *making) giveUp(ctx context.Context, err error) {
	scope, why := slog.String("scope", m.sc.of.String()), slog.Any("error", err)
	if faulty(err) && m.base.Scrub(ctx) != nil {
		m.base = nil
		m.s.Log.ErrorContext(ctx, "the revocation set in force is damaged on the disk; the next is made without it", scope, why)
		return
	}
	m.s.Log.WarnContext(ctx, "no delta could be made; boxes take the whole set", scope, why)
}

// faulty reports whether a set's file is not what it was.
func faulty(err error) bool {
	return errors.Is(err, crlset.ErrDigest) || errors.Is(err, crlset.ErrUnreadable) || errors.Is(err, crlset.ErrFormat)
}

// fromBase makes the set by a delta, unless that would be nearly a set itself: then boxes get the whole.
func (m *making) fromBase(ctx context.Context) (sum crlset.Summary, file *deltaFile, err error) {
	v, err := look(ctx, m.base, m.entries())
	if err != nil {
		return sum, nil, fmt.Errorf("comparing with the set before: %w", err)
	}
	if v.many {
		sum, err = m.fresh(ctx)
		return sum, nil, err
	}
	for _, next := range m.s.plans {
		plan, perr := next(ctx, m, v)
		if perr != nil {
			return sum, nil, fmt.Errorf("planning: %w", perr)
		}
		if sum, file, err = m.step(plan); !errors.Is(err, crlset.ErrPlan) {
			break
		}
		m.draft.discard()
	}
	return sum, file, err
}

// fresh makes the set from the lists alone. The index of a single list is that set already.
func (m *making) fresh(ctx context.Context) (crlset.Summary, error) {
	f, err := m.draft.place(m.sc, dirSets, endSet)
	if err != nil {
		return crlset.Summary{}, err
	}
	if p := m.parts[0]; len(m.parts) == 1 && m.s.Columns == crlset.Full {
		sum := crlset.Summary{Entries: p.Entries, Size: p.Size, Digests: p.Digests, Root: p.Root, Plan: m.lists[0].Plan()}
		return sum, copyFile(f, filepath.Join(m.sc.dir, dirLists, p.File))
	}
	w := crlset.NewPlanningWriter(f, m.s.Columns)
	if err := each(ctx, m.entries(), func(e *crlset.Entry) error { return w.Add(*e) }); err != nil {
		return crlset.Summary{}, err
	}
	return w.Close()
}

func copyFile(to *os.File, path string) error {
	from, err := os.Open(path) //nolint:gosec // the store's own file
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, from.Close())
}

// deltaFile is what was written of a delta.
type deltaFile struct {
	size    uint64
	digests []byte
}

// step writes the delta and, by applying it, the set: what boxes will do is done here first.
func (m *making) step(plan crlset.Plan) (sum crlset.Summary, file *deltaFile, err error) {
	to, err := m.draft.place(m.sc, dirSets, endDelta)
	if err != nil {
		return sum, nil, err
	}
	stats, err := delta.Write(to, m.base, m.entries(), plan)
	if err != nil {
		return sum, nil, fmt.Errorf("writing the delta: %w", err)
	}
	octets, err := os.ReadFile(to.Name())
	if err != nil {
		return sum, nil, err
	}
	d, err := delta.Open(octets)
	if err != nil {
		return sum, nil, fmt.Errorf("reading the delta again: %w", err)
	}
	set, err := m.draft.place(m.sc, dirSets, endSet)
	if err != nil {
		return sum, nil, err
	}
	if sum, err = delta.Apply(set, m.base, d); err != nil {
		return sum, nil, fmt.Errorf("applying the delta: %w", err)
	}
	return sum, &deltaFile{stats.Size, stats.Digests}, nil
}

// sign closes the heads and writes the manifest.
func (m *making) sign(sum crlset.Summary, file *deltaFile) error {
	d := m.draft
	signed, err := d.head.Sign(m.s.Sign)
	if err != nil {
		return err
	}
	d.man = manifest.Manifest{Signed: signed, Digests: sum.Digests, Table: m.rows}
	if d.blob, err = d.man.Encode(); err != nil {
		return err
	}
	if file == nil {
		return nil
	}
	base := &m.sc.pub
	head := manifest.DeltaHead{
		Version: manifest.Version, Base: base.head.Number, Root: base.head.Root, Next: signed, Size: file.size, Digests: file.digests,
	}
	if d.delta, err = head.Between(base.manifest.Table, m.rows).Sign(m.s.Sign); err != nil {
		return err
	}
	d.step.Head = wire.Blob{ID: sha256.Sum256(d.delta), Size: uint64(len(d.delta))}
	d.step.Delta = wire.Blob{ID: wire.BlobID(head.BlobID()), Size: file.size}
	return nil
}
