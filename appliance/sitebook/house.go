package sitebook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

// batch is how many entries one transaction of housekeeping touches, so that no tap waits for it (P1).
const batch = 64

// replace removes entries and adds others, at once.
func (b *Book) replace(ctx context.Context, doing string, gone, entries []*entry) error {
	b.write.Lock()
	defer b.write.Unlock()
	r, err := b.sealing()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.seal(e); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := b.add(ctx, entries, func(tx *sql.Tx) error { return remove(ctx, tx, gone) }); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// walk calls do inside short transactions with entries of which some may be gone by now, beside the taps. It ends early with ctx, between two
// transactions; the same call later goes on.
func (b *Book) walk(ctx context.Context, list []int64, do func(context.Context, *sql.Tx, *entry) error) error {
	for part := range slices.Chunk(list, batch) {
		err := b.short(ctx, func(ctx context.Context, tx *sql.Tx) error {
			entries, err := byID(ctx, tx, part)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := do(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// erase removes entries.
func (b *Book) erase(ctx context.Context, list []int64) error {
	return b.walk(ctx, list, func(ctx context.Context, tx *sql.Tx, e *entry) error { return remove(ctx, tx, []*entry{e}) })
}

// Reseal seals every entry anew that is not under the current generation of the site's keys. Interrupted, it goes on where it was with the
// next call. Entries whose keys are not here stay as they are. localapi.ErrLocked.
func (b *Book) Reseal(ctx context.Context) error {
	r, err := b.ring()
	if err != nil {
		return err
	}
	var lost int
	current := r.current().id
	list, err := ids(ctx, b.store().r, `generation < ? OR generation > ?`, current.ID128[:], current.ID128[:])
	if err != nil {
		return err
	}
	err = b.walk(ctx, list, func(ctx context.Context, tx *sql.Tx, e *entry) error {
		if !r.opens(e) {
			lost++
			return nil
		}
		if err := removeRefs(ctx, tx, e); err != nil {
			return err
		}
		if err := r.seal(e); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE entry SET generation = ?, refs = ?, sealed = ? WHERE id = ?`, e.generation.ID128[:], joined(e.refs), e.sealed, e.id)
		if err != nil {
			return err
		}
		return b.st.addRefs(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("sealing the site book anew: %w", err)
	}
	if lost > 0 {
		b.o.Log.ErrorContext(ctx, "entries of the site book cannot be opened; they stay until the site is closed", slog.Int("entries", lost))
	}
	return nil
}

// Retire calls forget with the keys under which anything is sealed here, while nothing can be sealed: none of them may be forgotten, every
// other one may.
func (b *Book) Retire(ctx context.Context, forget func(needed []sitekey.Generation) error) error {
	b.write.Lock()
	defer b.write.Unlock()
	needed, err := b.Generations(ctx)
	if err != nil {
		return err
	}
	return forget(needed)
}

// Generations names the keys under which anything is sealed here: none of them may be forgotten. It needs no keys.
func (b *Book) Generations(ctx context.Context) (list []sitekey.Generation, err error) {
	for after := []byte{}; ; {
		var g []byte
		err := b.store().r.QueryRowContext(ctx, `SELECT min(generation) FROM entry WHERE generation > ?`, after).Scan(&g)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading the site book: %w", err)
		case g == nil:
			return list, nil
		case len(g) != 16:
			return nil, errDamaged
		}
		list = append(list, sitekey.Generation{ID128: [16]byte(g)})
		after = g
	}
}

// services names those of which the book holds entries of some kinds, in their order.
func (b *Book) services(ctx context.Context, kinds ...kind) (list []record.ServiceID, err error) {
	for _, k := range kinds {
		for after := ""; ; {
			var next sql.NullString
			err := b.store().r.QueryRowContext(ctx, `SELECT min(service) FROM entry WHERE kind = ? AND service > ?`, int64(k), after).Scan(&next)
			if err != nil {
				return nil, fmt.Errorf("reading the site book: %w", err)
			}
			if !next.Valid {
				break
			}
			after = next.String
			list = append(list, record.ServiceID(after))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// SessionDays is for how many days the book keeps who was at the desk.
const SessionDays = 90

const day = 24 * time.Hour

// Expire removes what is older than its service's rule keeps in a site book: uses, leavings, and corrections that
// somebody has looked at, but no link, be it from a file; besides, who was at the desk more than SessionDays ago. days is asked for each service; 0 keeps them until the site is closed.
// What central has not settled stays. It needs no keys, and taps go on beside it.
func (b *Book) Expire(ctx context.Context, now time.Time, days func(record.ServiceID) uint32) error {
	err := b.expire(ctx, kindSession, "", now.Add(-SessionDays*day))
	for _, k := range []kind{kindUse, kindLeave} {
		if err == nil {
			err = b.expireKind(ctx, k, now, days)
		}
	}
	if err == nil {
		err = b.expireWork(ctx, now, days)
	}
	if err != nil {
		return fmt.Errorf("letting go of what is kept no longer: %w", err)
	}
	return nil
}

func (b *Book) expireKind(ctx context.Context, k kind, now time.Time, days func(record.ServiceID) uint32) error {
	services, err := b.services(ctx, k)
	if err != nil {
		return err
	}
	for _, s := range services {
		if d := days(s); d > 0 {
			if err := b.expire(ctx, k, s, now.Add(-time.Duration(d)*day)); err != nil {
				return err
			}
		}
	}
	return nil
}

// expire removes entries of a kind and service from before a moment; of which the day alone is known, when all of it was before. What is to go is
// looked up beside the taps.
func (b *Book) expire(ctx context.Context, k kind, service record.ServiceID, before time.Time) error {
	if k == kindUse || k == kindLeave {
		before = before.Add(-day + time.Millisecond)
	}
	list, err := ids(ctx, b.store().r, `kind = ? AND service = ? AND at < ?`, int64(k), string(service), before.UnixMilli())
	if err != nil || len(list) == 0 {
		return err
	}
	defer b.disperse()
	return b.walk(ctx, list, func(ctx context.Context, tx *sql.Tx, e *entry) error {
		if !b.counts(e.tap) {
			return nil
		}
		return remove(ctx, tx, []*entry{e})
	})
}

// expireWork removes corrections that somebody has looked at, with who it was.
func (b *Book) expireWork(ctx context.Context, now time.Time, days func(record.ServiceID) uint32) error {
	list, err := b.Work(ctx, true)
	if err != nil {
		return err
	}
	for _, w := range list {
		if d := days(w.Service); w.Done == nil || d == 0 || now.Sub(w.Time) <= time.Duration(d)*day {
			continue
		}
		if err := b.forgetWork(ctx, w.Tap); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) forgetWork(ctx context.Context, tap record.TapID) error {
	return b.short(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list, err := all(ctx, tx, selectEntry+`WHERE e.tap = ? AND e.kind = ?`, tap.ID128[:], int64(kindTick))
		if err != nil {
			return err
		}
		if err := remove(ctx, tx, list); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM work WHERE tap = ? AND done = 1`, tap.ID128[:])
		return err
	})
}

// Contents counts what a book holds.
type Contents struct {
	Enrolments int `json:"enrolments"` // that central has not settled
	Uses       int `json:"uses"`       // with leavings
	Links      int `json:"links"`      // linked, taken back and taken over
	Staff      int `json:"staff"`      // who may sign in
	Sessions   int `json:"sessions"`
	Work       int `json:"work"` // corrections, those looked at included
}

// Contents counts. It needs no keys.
func (b *Book) Contents(ctx context.Context) (c Contents, err error) {
	count := func(kinds ...kind) string {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = strconv.Itoa(int(k))
		}
		return "(SELECT count(*) FROM entry WHERE kind IN (" + strings.Join(names, ", ") + "))"
	}
	query := "SELECT " + count(kindEnrolment) + ", " + count(kindUse, kindLeave) + ", " + count(kindLink, kindUnlink, kindTaken) + ", " +
		count(kindStaff) + ", " + count(kindSession) + ", (SELECT count(*) FROM work)"
	err = b.store().r.QueryRowContext(ctx, query).Scan(&c.Enrolments, &c.Uses, &c.Links, &c.Staff, &c.Sessions, &c.Work)
	if err != nil {
		return c, fmt.Errorf("counting the site book: %w", err)
	}
	return c, nil
}

// Erase removes the book and whatever was set aside of it, and begins an empty one. It says what was there. What a disk keeps of removed
// files was sealed under the site's keys, which whoever closes a site wipes as well. After a crash the same call completes it.
func (b *Book) Erase(ctx context.Context) (Contents, error) {
	c, err := b.Contents(ctx)
	if err != nil { // also where an earlier call did not come to its end
		b.o.Log.WarnContext(ctx, "what is erased could not be counted", slog.Any("error", err))
	}
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return c, ErrClosed
	}
	b.bg.Wait()
	if err := b.renew(ctx); err != nil {
		return c, fmt.Errorf("erasing the site book: %w", err)
	}
	return c, nil
}

// renew puts an empty book in place of all that is there. The caller holds write.
func (b *Book) renew(ctx context.Context) error {
	if err := b.st.close(); err != nil {
		b.o.Log.WarnContext(ctx, "closing the site book failed", slog.Any("error", err))
	}
	dir := filepath.Dir(b.path)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error // what stays keeps nothing else, and the book goes on
	for _, f := range files {
		if strings.HasPrefix(f.Name(), filepath.Base(b.path)) {
			errs = append(errs, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	errs = append(errs, syncFile(dir))
	st, err := openStore(ctx, b.path, b.o)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.st, b.last, b.wrong, b.desk = st, 0, tries{}, session{}
	clear(b.hidden)
	clear(b.floors)
	return errors.Join(errs...)
}
