package rosters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// grow is how many times as many people as in all newer segments together a segment has at least; one that has fewer is merged.
const grow = 4

// page is how many enrolments are read at once.
const page = 1000

// ErrKeys says that a segment's generation is not among the site's keys.
var ErrKeys = errors.New("site key of a roster is not here")

// job is one roster in the making.
type job struct {
	*Maker
	site    record.SiteID
	version rule.Version
	safe    int64
	after   uint64        // number up to which parts have the changes
	parts   []roster.Part // to go on from; none: everything is made anew

	ring    sitekey.Ring
	through []roster.Through // as of the transaction that the people are of
	damaged int
}

// do writes segments, and returns the head that names them; durable, but for the head.
func (j *job) do(ctx context.Context) (roster.Head, error) {
	head := roster.Head{Version: j.version, Site: j.site, Made: j.Now().Unix()}
	people := 0
	err := j.Store.View(ctx, func(tx store.Tx) (err error) {
		if people, err = tx.CountEnrolmentsAt(j.site); err != nil {
			return err
		}
		return j.mark(tx)
	})
	if head.Through = j.through; err != nil || people == 0 && len(j.parts) == 0 {
		return head, err // nobody: there need not be a key
	}
	head.People = uint32(min(people, roster.MaxPeople)) //nolint:gosec // a count
	if err := j.keys(ctx); err != nil {
		return head, err
	}
	part, err := j.changes(ctx)
	if err != nil {
		return head, err
	}
	head.Through = j.through
	if head.Parts, err = j.merge(part); err != nil {
		return head, err
	}
	if j.damaged > 0 {
		j.Log.ErrorContext(ctx, "enrolments are damaged; their people are missing on the site's roster until the newest backup is restored",
			slog.String("site", string(j.site)), slog.Int("count", j.damaged))
	}
	return head, nil
}

// keys reads the site's ring, and begins it where there is none. Without the key of a segment everything is made anew.
func (j *job) keys(ctx context.Context) error {
	read := func(tx store.Tx) (err error) { j.ring, err = j.Keys.Ring(tx, j.site); return err }
	if err := j.Store.View(ctx, read); err != nil {
		return err
	}
	if _, _, ok := j.ring.Current(); !ok {
		err := j.Store.Update(ctx, func(tx store.Tx) error {
			if _, _, err := j.Keys.Ensure(tx, j.site); err != nil {
				return err
			}
			return read(tx)
		})
		if err != nil {
			return err
		}
	}
	for _, p := range j.parts {
		if _, ok := j.ring.Find(p.Generation); !ok {
			j.parts, j.after = nil, 0
			break
		}
	}
	return nil
}

// changes writes a segment of what changed, or of everybody; of no people nothing is written, and the part is zero.
func (j *job) changes(ctx context.Context) (p roster.Part, err error) {
	err = j.Store.View(ctx, func(tx store.Tx) error {
		if err := j.mark(tx); err != nil {
			return err
		}
		terms := person.Terms{PPID: j.PPID, Safe: j.safe, Services: func(v record.VerifierID) []person.Service { return j.Policy.Services(j.site, v) }}
		p, err = j.write(func(w *segment.Writer) error {
			if len(j.parts) == 0 {
				return j.everybody(tx, w, terms)
			}
			return j.changed(tx, w, terms)
		})
		return err
	})
	return p, err
}

// mark notes up to which verdict of each of the site's boxes this state of the database tells.
func (j *job) mark(tx store.Tx) error {
	boxes, err := tx.BoxesAt(j.site)
	if err != nil {
		return err
	}
	boxes = boxes[max(0, len(boxes)-roster.MaxBoxes):] // the newest; fewer than that are in service
	slices.SortFunc(boxes, func(a, b record.BoxID) int { return bytes.Compare(a.ID128[:], b.ID128[:]) })
	j.through = make([]roster.Through, len(boxes))
	for i, b := range boxes {
		n, err := tx.LastVerdict(b)
		if err != nil {
			return err
		}
		j.through[i] = roster.Through{Box: b, Verdicts: rule.Version{CentralEpoch: j.version.CentralEpoch, N: n}}
	}
	return nil
}

// everybody adds all who are enrolled at the site. store.ErrDamaged if nothing at all can be read, so that a lost key does not empty a
// roster.
func (j *job) everybody(tx store.Tx, w *segment.Writer, t person.Terms) error {
	read := 0
	for after := (record.TapID{}); ; {
		all, err := tx.EnrolmentsAt(j.site, after, page)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		told, err := j.People.Told(tx, all, t)
		if err != nil {
			return err
		}
		if err := add(w, told.Entries, nil); err != nil {
			return err
		}
		read, j.damaged, after = read+len(all), j.damaged+told.Damaged, all[len(all)-1].Tap
	}
	if read > 0 && j.damaged == read {
		return fmt.Errorf("reading the enrolments: %w", store.ErrDamaged)
	}
	return nil
}

// changed adds those of whom something changed, and says who is on the roster no more.
func (j *job) changed(tx store.Tx, w *segment.Writer, t person.Terms) error {
	taps, err := tx.RosterChanges(j.site, j.after)
	if err != nil {
		return err
	}
	read := 0
	for some := range slices.Chunk(taps, page) {
		var all []store.Enrolment
		var gone []record.TapID
		for _, tap := range some {
			e, err := tx.Enrolment(tap)
			switch {
			case errors.Is(err, store.ErrNone):
				gone = append(gone, tap)
			case err != nil:
				return err
			default:
				all = append(all, e)
			}
		}
		told, err := j.People.Told(tx, all, t)
		if err != nil {
			return err
		}
		read, j.damaged = read+len(all), j.damaged+told.Damaged
		if err := add(w, told.Entries, append(gone, told.Gone...)); err != nil {
			return err
		}
	}
	if read > 0 && j.damaged == read {
		return fmt.Errorf("reading the enrolments that changed: %w", store.ErrDamaged)
	}
	return nil
}

func add(w *segment.Writer, entries []roster.Entry, gone []record.TapID) error {
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			return err
		}
	}
	for _, tap := range gone {
		if err := w.Gone(tap); err != nil {
			return err
		}
	}
	return nil
}

// write makes a segment under the current generation and gives it its name; durable. Nothing is left of one that has nothing in it.
func (j *job) write(fill func(*segment.Writer) error) (p roster.Part, err error) {
	_, key, _ := j.ring.Current()
	keys, err := segment.NewKeys(j.site, key)
	if err != nil {
		return p, err
	}
	f, err := os.CreateTemp(j.Dir, temporary+"*")
	if err != nil {
		return p, err
	}
	defer func() {
		if closed := f.Close(); err == nil && p != (roster.Part{}) {
			err = errors.Join(closed, os.Rename(f.Name(), j.path(p)), durable.SyncDir(j.Dir))
		} else {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w, err := segment.NewWriter(io.Writer(f), keys)
	if err != nil {
		return p, err
	}
	if err := fill(w); err != nil {
		return p, err
	}
	made, err := w.Close()
	if err != nil || made.Entries == 0 && made.Gone == 0 {
		return p, err
	}
	return made, f.Sync()
}

// merge puts a new segment before the others, together with those that have not many times as many people.
func (j *job) merge(fresh roster.Part) ([]roster.Part, error) {
	if fresh == (roster.Part{}) {
		return j.parts, nil
	}
	n, size := 0, fresh.Entries+fresh.Gone
	for n < len(j.parts) && j.parts[n].Entries+j.parts[n].Gone < grow*size || len(j.parts)-n+1 > roster.MaxParts {
		size += j.parts[n].Entries + j.parts[n].Gone
		n++
	}
	if n == 0 {
		return append([]roster.Part{fresh}, j.parts...), nil
	}
	merging, rest := append([]roster.Part{fresh}, j.parts[:n]...), j.parts[n:]
	openers, done, err := j.open(merging)
	defer done()
	if err != nil {
		return nil, err
	}
	p, err := j.write(func(w *segment.Writer) error { return segment.Merge(w, openers, len(rest) == 0) })
	if err != nil || p == (roster.Part{}) {
		return rest, err
	}
	return append([]roster.Part{p}, rest...), nil
}

// open maps segments.
func (j *job) open(parts []roster.Part) (openers []*segment.Opener, done func(), err error) {
	var maps []*segment.Segment
	done = func() {
		for _, s := range maps {
			_ = s.CloseNow() // it was only read
		}
	}
	for _, p := range parts {
		s, err := segment.OpenFile(j.path(p), p)
		if err != nil {
			return nil, done, err
		}
		maps = append(maps, s)
		key, ok := j.ring.Find(p.Generation)
		if !ok {
			return nil, done, ErrKeys
		}
		keys, err := segment.NewKeys(j.site, key)
		if err != nil {
			return nil, done, err
		}
		o, err := s.Opener(keys)
		if err != nil {
			return nil, done, err
		}
		openers = append(openers, o)
	}
	return openers, done, nil
}
