package sitebook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Visit is what one tap leaves in the book.
type Visit struct {
	Tap     record.TapID
	At      time.Time
	Service record.ServiceID
	Person  Person         // who tapped: after an enrolment by that enrolment
	Staff   record.StaffID // who was signed in; empty: nobody

	Used bool // the person was served, at a service that counts people
	// Enrolment is what later taps are held against, if the person enrolled now.
	Enrolment *roster.Entry
	// Before is whom the certificate named before that: their numbers and presence go over to the enrolment.
	Before *Person
	Link   string // the service's own number that was linked; empty: none
	Unlink string // the number that was taken back; empty: none
}

// Empty reports whether there is nothing to write.
func (v Visit) Empty() bool { return !v.Used && v.Enrolment == nil && v.Link == "" && v.Unlink == "" }

// entries are the visit's, but for what goes over from Before.
func (v Visit) entries() (list []*entry) {
	add := func(k kind, r row) {
		list = append(list, &entry{kind: k, tap: v.Tap, at: v.At.UnixMilli(), service: v.Service, row: r})
	}
	if v.Enrolment != nil {
		add(kindEnrolment, row{Enrolment: v.Enrolment, Staff: v.Staff})
	}
	if v.Link != "" {
		add(kindLink, row{Person: &v.Person, Number: v.Link, Staff: v.Staff})
	}
	if v.Unlink != "" {
		add(kindUnlink, row{Person: &v.Person, Number: v.Unlink, Staff: v.Staff})
	}
	if v.Used {
		add(kindUse, row{Person: &v.Person, Staff: v.Staff})
	}
	return list
}

// Write makes durable what a tap leaves, before its record is written. It counts only once Confirm was called, or the record was found.
// Errors: localapi.ErrLocked, with which nothing was written; ErrVisit; ErrClosed; or what the disk said, after which perhaps
// something was written that counts for nothing.
func (b *Book) Write(ctx context.Context, v Visit) error {
	entries := v.entries()
	if v.Tap.IsZero() || len(entries) == 0 {
		return fmt.Errorf("%w: no tap, or nothing", ErrVisit)
	}
	b.write.Lock()
	defer b.write.Unlock()
	r, err := b.sealing()
	if err != nil {
		return err
	}
	if err := b.resolve(ctx); err != nil {
		b.o.Log.WarnContext(ctx, "entries in doubt cannot be looked at", slog.Any("error", err))
	}
	carried, err := b.carried(ctx, r, v)
	if err != nil {
		return err
	}
	entries = append(carried, entries...)
	for _, e := range entries {
		if err := r.seal(e); err != nil {
			return fmt.Errorf("%w: %w", ErrVisit, err)
		}
	}
	b.hide(v.Tap, pending, b.last+1)
	if err := b.add(ctx, entries); err != nil {
		b.hide(v.Tap, doubtful, b.last+1)
		return fmt.Errorf("writing the site book: %w", err)
	}
	return nil
}

// add commits sealed entries. The caller holds write.
func (b *Book) add(ctx context.Context, entries []*entry, more ...func(*sql.Tx) error) error {
	upTo, mark := b.floor()
	err := b.st.transact(ctx, func(tx *sql.Tx) error {
		if err := b.st.insert(ctx, tx, entries); err != nil {
			return err
		}
		for _, do := range more {
			if err := do(tx); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, confirmed, upTo, mark)
		return err
	})
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		b.last = entries[len(entries)-1].id
	}
	b.checkpoint()
	return nil
}

// Confirm lets a visit count: its record is durable.
func (b *Book) Confirm(tap record.TapID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hidden, tap)
	delete(b.floors, tap)
}

// Doubt says that nobody knows whether the record became durable. The visit counts for nothing until the record is found, which is looked
// for before the next visit is written.
func (b *Book) Doubt(tap record.TapID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hidden[tap] == pending {
		b.hidden[tap] = doubtful
	}
}

func (b *Book) hide(tap record.TapID, s state, first int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hidden[tap] = s
	if _, ok := b.floors[tap]; !ok {
		b.floors[tap] = floor{first, b.o.Records.Mark()}
	}
}

// floor is the entry up to which every visit is confirmed, and the mark behind which the records of all others lie. The caller holds write.
func (b *Book) floor() (upTo, mark int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	upTo, mark = b.last, b.o.Records.Mark()
	for _, f := range b.floors {
		upTo, mark = min(upTo, f.first-1), min(mark, f.mark)
	}
	return upTo, mark
}

// resolve asks for the records of visits in doubt, and drops those that have none. The caller holds write.
func (b *Book) resolve(ctx context.Context) error {
	b.mu.RLock()
	taps := map[record.TapID]int64{}
	for tap, s := range b.hidden {
		if s == doubtful {
			taps[tap] = b.floors[tap].mark
		}
	}
	b.mu.RUnlock()
	for tap, mark := range taps {
		if err := b.judge(ctx, tap, mark); err != nil {
			return err
		}
		b.Confirm(tap) // what is left of it counts
	}
	return nil
}

// judge drops the entries of a tap that has no record after a mark.
func (b *Book) judge(ctx context.Context, tap record.TapID, mark int64) error {
	known, err := b.o.Records.Has(ctx, tap, mark)
	if err != nil || known {
		return err
	}
	b.o.Log.WarnContext(ctx, "entries of the site book have no record and are dropped", slog.String("tap", tap.String()))
	return b.dropTap(ctx, tap)
}

// dropTap removes what a visit left. The caller holds write, or nobody else has the book.
func (b *Book) dropTap(ctx context.Context, tap record.TapID) error {
	return b.st.transact(ctx, func(tx *sql.Tx) error {
		list, err := all(ctx, tx, selectEntry+`WHERE e.tap = ?`, tap.ID128[:])
		if err != nil {
			return err
		}
		var gone []*entry
		for _, e := range list {
			if e.kind.recorded() {
				gone = append(gone, e)
			}
		}
		return remove(ctx, tx, gone)
	})
}

// recover drops, at the start, the entries at the end whose taps have no record, and imports that were not completed.
func (b *Book) recover(ctx context.Context) error {
	var upTo, mark int64
	err := b.st.w.QueryRowContext(ctx, `SELECT confirmed, mark, coalesce((SELECT max(id) FROM entry), 0), wrong FROM meta`).Scan(&upTo, &mark, &b.last, &b.wrong.count)
	if err != nil {
		return fmt.Errorf("reading up to where it is confirmed: %w", err)
	}
	b.wrong.start()
	tail, err := all(ctx, b.st.w, selectEntry+`WHERE e.id > ?`, upTo)
	if err != nil {
		return err
	}
	seen := map[record.TapID]bool{}
	for _, e := range tail {
		if !e.kind.recorded() || seen[e.tap] {
			continue
		}
		seen[e.tap] = true
		if err := b.judge(ctx, e.tap, mark); err != nil {
			return err
		}
	}
	if err := b.st.confirm(ctx, b.last, b.o.Records.Mark()); err != nil {
		return fmt.Errorf("noting up to where it is confirmed: %w", err)
	}
	return b.abandonAll(ctx)
}

// carried copies what was known of the person before an enrolment, so that it is found by the new one: of each service the number that
// counts, the latest use and the latest leaving, in their order. A copy shares the fate of the enrolment; what it was copied from stays.
func (b *Book) carried(ctx context.Context, r *ring, v Visit) ([]*entry, error) {
	if v.Enrolment == nil || v.Before == nil {
		return nil, nil
	}
	var list []*entry
	for word, kinds := range map[string][]kind{refLink: {kindLink, kindUnlink, kindTaken}, refUse: {kindUse, kindLeave}} {
		services, err := b.services(ctx, kinds...)
		if err != nil {
			return nil, err
		}
		for _, s := range services {
			found := [2]bool{} // the number or the use, and the leaving
			err := b.of(ctx, r, v.Before.names(word, s), func(e *entry) (bool, error) {
				i := map[bool]int{true: 1}[e.kind == kindLeave]
				if !found[i] {
					found[i] = true
					list = append(list, e.copied(v))
				}
				return true, nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(list, func(x, y *entry) int { return cmp.Compare(x.id, y.id) })
	return list, nil
}

// copied is an entry as one of a new enrolment.
func (e *entry) copied(v Visit) *entry {
	c := *e
	if c.row.Of.IsZero() {
		c.row.Of = c.tap
	}
	if c.kind == kindTaken {
		c.kind = kindLink
	}
	c.row.Person, c.tap = &v.Person, v.Tap
	return &c
}
