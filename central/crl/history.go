package crl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

const (
	stepVersion = 1
	maxStep     = 16 << 20
)

// step is what is durable about how one set became the next. It is kept for ever.
type step struct {
	Version    uint8           `cbor:"1,keyasint"`
	Base       rule.Version    `cbor:"2,keyasint,omitzero"` // zero: nothing was in force before, or it could not be read
	BaseRoot   manifest.Digest `cbor:"3,keyasint"`
	Next       rule.Version    `cbor:"4,keyasint"`
	Root       manifest.Digest `cbor:"5,keyasint"` // of the set that it led to
	ThisUpdate int64           `cbor:"6,keyasint"` // of that set, Unix seconds
	NextUpdate int64           `cbor:"7,keyasint"`
	Issuers    [][]byte        `cbor:"8,keyasint"`
	Made       int64           `cbor:"9,keyasint"`           // Unix seconds
	Before     changes         `cbor:"10,keyasint,omitzero"` // entries that were removed or changed, as they were
	After      changes         `cbor:"11,keyasint,omitzero"` // entries that were added or changed, as they are since
	Head       wire.Blob       `cbor:"12,keyasint,omitzero"` // the delta's head; zero: there is no delta
	Delta      wire.Blob       `cbor:"13,keyasint,omitzero"`
	Entries    uint64          `cbor:"14,keyasint"` // of the set that it led to
}

// changes is a small set file. Zero entries have no file.
type changes struct {
	Entries uint64 `cbor:"1,keyasint"`
	Size    uint64 `cbor:"2,keyasint"`
	Digests []byte `cbor:"3,keyasint"`
}

func (s step) hasDelta() bool { return s.Delta.Size > 0 }

// begins reports whether nothing is known of before.
func (s step) begins() bool { return s.Base == rule.Version{} }

// keepStep makes a step durable; its files of entries are in place.
func (sc *scope) keepStep(st step) error {
	return keep(sc.past(st.Next, endStep), st)
}

// loadSteps reads the history up to the set in force and clears away what was begun of a later one. Where no set is in force any more, what
// is there is no leftover.
func (s *Store) loadSteps(ctx context.Context, sc *scope, p *published) error {
	dir := filepath.Join(sc.dir, dirHistory)
	files, err := os.ReadDir(dir)
	if err != nil && (!s.ReadOnly || !errors.Is(err, os.ErrNotExist)) {
		return fmt.Errorf("reading the history of %s: %w", sc.of, err)
	}
	for _, f := range files {
		v, end, ok := numberOf(f.Name())
		if !ok || end != endStep || p.exists() && v.Compare(p.head.Number) > 0 {
			continue
		}
		st, err := readStep(filepath.Join(dir, f.Name()), v)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return fmt.Errorf("reading the step to set %s: %w", Number(v), err)
		}
		if err != nil {
			if err := s.setAside(ctx, filepath.Join(dir, f.Name()), err); err != nil {
				return err
			}
			continue
		}
		p.steps = append(p.steps, st)
	}
	slices.SortFunc(p.steps, func(a, b step) int { return a.Next.Compare(b.Next) })
	if s.ReadOnly {
		return nil
	}
	lost := !p.exists() && len(p.steps) > 1 // the sets are gone, and what they said can be told still. One step alone is a first set half made
	if lost {
		s.Log.ErrorContext(ctx, "no published set can be found; the history of those that were is kept", slog.String("scope", sc.of.String()))
	}
	return s.sweep(ctx, dir, func(name string) bool {
		v, _, ok := numberOf(name)
		return ok && (lost || v.Compare(p.head.Number) <= 0)
	})
}

func readStep(path string, v rule.Version) (st step, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // named by the folder
	if err != nil {
		return st, err
	}
	if err := unseal(b, &st, maxStep); err != nil {
		return st, err
	}
	if st.Version != stepVersion || st.Next != v {
		return st, fmt.Errorf("%w: step of another version or set", ErrDamaged)
	}
	return st, nil
}

// State is what a set says of one serial, and what it rests on.
type State struct {
	Number     rule.Version // of the set
	ThisUpdate time.Time    // of the oldest list in it
	NextUpdate time.Time
	Issuers    [][]byte // certid.KeyIDs of which an absence speaks
	Listed     bool
	Reason     crlset.Reason
	Date       time.Time // when it was revoked; zero time of Unix where sets have no dates
}

// AnswerAt is what the set says as of a time: an entry dated later did not hold yet.
func (s State) AnswerAt(at time.Time) record.Answer {
	switch {
	case !s.Listed || s.Date.After(at):
		return record.AnswerNotRevoked
	case s.Reason == crlset.CertificateHold:
		return record.AnswerOnHold
	default:
		return record.AnswerRevoked
	}
}

// Covers reports whether an absence speaks of the certificates that this key issued.
func (s State) Covers(issuer certid.KeyID) bool {
	return manifest.Head{Issuers: s.Issuers}.Covers(issuer)
}

// told fills in what is said of a serial.
func (s State) told(e crlset.Entry, listed bool) State {
	if s.Listed = listed; listed {
		s.Reason, s.Date = e.Reason, time.Unix(e.Date, 0).UTC()
	}
	return s
}

func stateOf(n rule.Version, this, next int64, issuers [][]byte) State {
	return State{Number: n, ThisUpdate: time.Unix(this, 0).UTC(), NextUpdate: time.Unix(next, 0).UTC(), Issuers: issuers}
}

// Lookup is what the newest set says of a serial. ErrNone if there is no set that can be used, or an error of package crlset.
func (s *Store) Lookup(of certid.Scope, serial certid.Serial) (State, error) {
	return s.search(of, func(p *published, _ *scope) (State, error) {
		e, ok, err := p.set.Find(crlset.KeyOf(serial))
		h := p.head
		return stateOf(h.Number, h.ThisUpdate, h.NextUpdate, h.Issuers).told(e, ok), err
	})
}

// AsOf is what the set in force at a time said of a serial: the newest whose ThisUpdate is not after it. ErrNone if none was in
// force, ErrHistory if it cannot be told any more, or an error of package crlset.
func (s *Store) AsOf(of certid.Scope, serial certid.Serial, at time.Time) (State, error) {
	return s.search(of, func(p *published, sc *scope) (State, error) {
		key := crlset.KeyOf(serial)
		e, ok, err := p.set.Find(key)
		if err != nil {
			return State{}, err
		}
		want := p.head.Number
		for i, st := range slices.Backward(p.steps) {
			if st.Next.Compare(want) > 0 { // one that was begun and never told of
				continue
			}
			if st.Next != want {
				return State{}, fmt.Errorf("%w: a step is missing", ErrHistory)
			}
			if st.ThisUpdate <= at.Unix() {
				return stateOf(st.Next, st.ThisUpdate, st.NextUpdate, st.Issuers).told(e, ok), nil
			}
			if st.begins() && i == 0 {
				return State{}, fmt.Errorf("%w: no set of %s was in force then", ErrNone, of)
			}
			if st.begins() {
				return State{}, fmt.Errorf("%w: a set could not be read when the next was made", ErrHistory)
			}
			if e, ok, err = sc.undo(st, key, e, ok); err != nil {
				return State{}, err
			}
			want = st.Base
		}
		return State{}, fmt.Errorf("%w: its beginning is missing", ErrHistory)
	})
}

// search looks into what is in force while nothing takes it away.
func (s *Store) search(of certid.Scope, look func(*published, *scope) (State, error)) (State, error) {
	sc, err := s.known(of)
	if err != nil {
		return State{}, err
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if sc.pub.set == nil || !sc.pub.believed {
		return State{}, fmt.Errorf("%w: no set of %s", ErrNone, of)
	}
	st, err := look(&sc.pub, sc)
	if err != nil {
		if faulty(err) && !errors.Is(err, ErrHistory) && !sc.damaged.Swap(true) {
			s.Log.Error("the revocation set in force is damaged on the disk; it will be made anew from the lists",
				slog.String("scope", of.String()), slog.Any("error", err))
		}
		return State{}, err
	}
	return st, nil
}

// undo is what was said of a key before a step.
func (sc *scope) undo(st step, key crlset.Key, e crlset.Entry, listed bool) (crlset.Entry, bool, error) {
	old, had, err := sc.find(st, st.Before, endBefore, key)
	if err != nil || had {
		return old, had, err
	}
	if !listed {
		return e, false, nil
	}
	_, added, err := sc.find(st, st.After, endAfter, key)
	return e, !added, err
}

// find looks for a key in one file of a step.
func (sc *scope) find(st step, c changes, end string, key crlset.Key) (e crlset.Entry, ok bool, err error) {
	if c.Entries == 0 {
		return e, false, nil
	}
	set, done, err := sc.opened.open(sc.past(st.Next, end), c)
	if err != nil {
		return e, false, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	e, ok, err = set.Find(key)
	if err := cmp.Or(err, done()); err != nil {
		return e, false, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	return e, ok, nil
}

// maxOpened is how many files of the history stay open: two months of days.
const maxOpened = 128

// opened are files of the history that stay open; they never change. A backlog asks for the same few days again and again.
type opened struct {
	mu   sync.Mutex // guards sets
	sets map[string]*crlset.Set
}

// open opens a file, or finds it open. done is to be called after use.
func (o *opened) open(path string, c changes) (_ *crlset.Set, done func() error, _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if set := o.sets[path]; set != nil {
		return set, func() error { return nil }, nil
	}
	set, err := openSet(path, c.Size, c.Digests)
	if err != nil {
		return nil, nil, err
	}
	if len(o.sets) >= maxOpened {
		return set, set.Close, nil
	}
	if o.sets == nil {
		o.sets = map[string]*crlset.Set{}
	}
	o.sets[path] = set
	return set, func() error { return nil }, nil
}

func (o *opened) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, set := range o.sets {
		errs = append(errs, set.Close())
	}
	o.sets = nil
	return errors.Join(errs...)
}
