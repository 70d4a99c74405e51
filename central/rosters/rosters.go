// Package rosters makes the roster of each site: who is enrolled there, as the site's boxes are told, sealed under the site's own key.
//
// A change makes a small segment of what changed; segments grow together as they become many, so that a box on a thin line fetches
// little, and looks through few. Everything is made anew where that is not enough: when rules changed, after a restore, or when files or
// keys are missing. What was made lies in a folder of files named by their content, which any copy may serve; the database counts the
// changes that are not in them yet, so that a stop at any point costs no more than making something twice.
//
// A [Maker] may be used from any goroutine; one at a time makes. Files are durable before a head names them, and the head before the
// database forgets changes. The folder names nobody to who has no site key.
package rosters

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// Timing of Run.
const (
	lookEvery = time.Minute            // when nobody rings
	restFor   = 200 * time.Millisecond // between two looks, so that a backlog makes no roster for each of its records
	markEvery = 3 * time.Second        // between two rosters of a site that say the same of everybody, and tell of other verdicts
)

// Policy says what sites serve.
type Policy interface {
	// Services are those of a verifier at a site, by id, rising.
	Services(site record.SiteID, v record.VerifierID) []person.Service
}

// Keys are the sites' keys.
type Keys interface {
	// Ring is a site's generations, the current one last; empty before there is one.
	Ring(tx store.Tx, site record.SiteID) (sitekey.Ring, error)
	// Ensure makes the first generation of a site that has none. It writes.
	Ensure(tx store.Tx, site record.SiteID) (sitekey.Generation, sitekey.Key, error)
}

// Bells are heard and rung.
type Bells interface {
	// Any is closed when any box was rung for since it was asked for.
	Any() <-chan struct{}
	// Ring tells a box that there is something for it.
	Ring(id record.BoxID)
}

// Config is what a maker works with.
type Config struct {
	Dir    string // of its own; made if need be
	Store  store.Store
	People *person.People
	PPID   func(store.Subject) (record.Subject, error) // opens a stored pseudonym
	Policy Policy
	Keys   Keys
	Sign   crypto.Signer // C-sign
	Bells  Bells
	Now    func() time.Time
	Log    *slog.Logger
}

// Maker makes rosters and offers them.
type Maker struct {
	Config
	making sync.Mutex // lets one at a time make
	soon   bool       // a site is to be told of verdicts, and was just told of others; guarded by making

	mu    sync.Mutex // guards sites
	sites map[record.SiteID][]made
}

// made is a head with its offer; of a site the newest is first.
type made struct {
	head   roster.Head
	signed []byte
	offer  wire.RosterOffer
}

// keptHeads is how many heads of a site stay, for boxes that are fetching an older one.
const keptHeads = 4

// Ends and beginnings of file names; what names a file by its content is in hexadecimal digits.
const (
	extSegment = ".segment"
	extHead    = ".head"
	prefixSite = "site-" // begins the name of the newest head of a site
	temporary  = ".new-"
)

// Open reads what was made before, and starts nothing.
func Open(c Config) (*Maker, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of rosters: %w", err)
	}
	m := &Maker{Config: c, sites: map[record.SiteID][]made{}}
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of rosters: %w", err)
	}
	for _, f := range files {
		site, ok := strings.CutPrefix(f.Name(), prefixSite)
		if !ok {
			continue
		}
		b, err := os.ReadFile(filepath.Join(c.Dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the roster of a site: %w", err)
		}
		head, err := roster.PeekHead(b) // our own; what is damaged in it is made anew
		if err == nil && head.Site == record.SiteID(site) {
			m.sites[head.Site] = []made{madeOf(head, b)}
		}
	}
	return m, m.weed()
}

func madeOf(head roster.Head, signed []byte) made {
	o := wire.RosterOffer{Version: head.Version, Head: wire.Blob{ID: sha256.Sum256(signed), Size: uint64(len(signed))}}
	for _, p := range head.Parts {
		o.Segments = append(o.Segments, wire.Blob{ID: wire.BlobID(p.Root), Size: p.FileSize()})
	}
	return made{head, signed, o}
}

// Offer is a site's newest roster; false if there is none that is of this central's epoch. It makes nothing.
func (m *Maker) Offer(tx store.Tx, site record.SiteID) (wire.RosterOffer, bool, error) {
	now, ok := m.newest(site)
	if !ok {
		return wire.RosterOffer{}, false, nil
	}
	epoch, err := tx.CentralEpoch()
	return now.offer, err == nil && now.head.Version.CentralEpoch == epoch, err
}

func (m *Maker) newest(site record.SiteID) (made, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.sites[site]; len(all) > 0 {
		return all[0], true
	}
	return made{}, false
}

// OpenBlob opens a file that was offered; fs.ErrNotExist.
func (m *Maker) OpenBlob(id wire.BlobID) (*os.File, error) {
	for _, ext := range []string{extSegment, extHead} {
		f, err := os.Open(filepath.Join(m.Dir, id.String()+ext))
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fs.ErrNotExist
}

// Run makes rosters as they change until ctx ends, which is its only error.
func (m *Maker) Run(ctx context.Context) error {
	for {
		bell := m.Bells.Any()
		if err := m.Make(ctx); err != nil && ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "rosters cannot be made; boxes go on with what they have", slog.Any("error", err))
		}
		if err := wait(ctx, restFor, nil); err != nil {
			return err
		}
		if err := wait(ctx, m.pause(), bell); err != nil {
			return err
		}
	}
}

// pause is how long nothing is due.
func (m *Maker) pause() time.Duration {
	m.making.Lock()
	defer m.making.Unlock()
	if m.soon {
		return markEvery
	}
	return lookEvery
}

func wait(ctx context.Context, d time.Duration, bell <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-bell:
	case <-t.C:
	}
	return ctx.Err()
}

// Make makes the rosters that are not as the database says, and rings for the boxes of their sites. One that says the same of everybody, and
// is only to tell of more verdicts, is made by a later call if the one before is a few seconds old. A site whose roster cannot be made keeps none
// of the others from being made.
func (m *Maker) Make(ctx context.Context) error {
	m.making.Lock()
	defer m.making.Unlock()
	var states []store.RosterState
	var epoch uint64
	var safe store.Marks
	err := m.Store.View(ctx, func(tx store.Tx) (err error) {
		if epoch, err = tx.CentralEpoch(); err != nil {
			return err
		}
		if safe, err = tx.Safe(); err != nil {
			return err
		}
		states, err = tx.RosterStates()
		return err
	})
	if err != nil {
		return fmt.Errorf("looking which rosters changed: %w", err)
	}
	m.soon = false
	var errs []error
	for _, s := range states {
		if err := m.one(ctx, s, epoch, safe.Subject); err != nil {
			errs = append(errs, fmt.Errorf("making the roster of site %s: %w", s.Site, err))
		}
	}
	return errors.Join(append(errs, m.weed())...)
}

// one makes the roster of one site, if it is not as it should be.
func (m *Maker) one(ctx context.Context, s store.RosterState, epoch uint64, safe int64) (err error) {
	last, ok := m.newest(s.Site)
	whole := !ok || last.head.Version.CentralEpoch != epoch || last.head.Version.N <= s.Made || s.Whole > s.Made || !m.complete(last.head)
	if !whole && safe > s.Safe {
		if s, err = m.safer(ctx, s, safe); err != nil {
			return err
		}
	}
	v := rule.Version{CentralEpoch: epoch, N: s.Number + 1}
	if !whole && last.head.Version == v {
		return nil
	}
	if age := m.Now().Sub(last.head.At()); !whole && !s.People && age >= 0 && age < markEvery {
		m.soon = true
		return nil
	}
	j := job{Maker: m, site: s.Site, version: v, safe: safe, after: s.Made}
	if !whole {
		j.parts = last.head.Parts
	}
	begun := m.Now()
	head, err := j.do(ctx)
	if damaged(err) && len(j.parts) > 0 {
		m.Log.ErrorContext(ctx, "a site's roster is damaged here and is made anew", slog.String("site", string(s.Site)), slog.Any("error", err))
		j.parts, j.after, j.damaged = nil, 0, 0
		head, err = j.do(ctx)
	}
	if err != nil {
		return err
	}
	if err := m.publish(ctx, head, s.Number, safe); err != nil {
		return err
	}
	m.Log.InfoContext(ctx, "a site's roster was made", slog.String("site", string(s.Site)), slog.Uint64("number", v.N),
		slog.Uint64("people", uint64(head.People)), slog.Int("segments", len(head.Parts)), slog.Duration("took", m.Now().Sub(begun)))
	return nil
}

// damaged reports whether a segment here is not what it was.
func damaged(err error) bool {
	return errors.Is(err, segment.ErrDigest) || errors.Is(err, segment.ErrFormat) || errors.Is(err, segment.ErrUnreadable) ||
		errors.Is(err, segment.ErrOpen)
}

// safer counts changes for those whose pseudonyms may leave central since the roster was made last, and returns how far the site's roster is made then.
func (m *Maker) safer(ctx context.Context, s store.RosterState, safe int64) (store.RosterState, error) {
	err := m.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.ChangeRosterSafe(s.Site, s.Safe, safe); err != nil {
			return err
		}
		states, err := tx.RosterStates()
		for _, now := range states {
			if now.Site == s.Site {
				s = now
			}
		}
		return err
	})
	return s, err
}

// complete reports whether every segment of a head is here, in its size.
func (m *Maker) complete(h roster.Head) bool {
	for _, p := range h.Parts {
		info, err := os.Stat(m.path(p))
		if err != nil || uint64(info.Size()) != p.FileSize() { //nolint:gosec // a size is not negative
			return false
		}
	}
	return true
}

func (m *Maker) path(p roster.Part) string {
	return filepath.Join(m.Dir, hex.EncodeToString(p.Root[:])+extSegment)
}

// publish gives a head whose segments are durable its name, lets the database forget the changes that are in it, and rings.
func (m *Maker) publish(ctx context.Context, head roster.Head, number uint64, safe int64) error {
	signed, err := head.Sign(m.Sign)
	if err != nil {
		return err
	}
	now := madeOf(head, signed)
	if err := durable.WriteFile(filepath.Join(m.Dir, now.offer.Head.ID.String()+extHead), signed, 0o600); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(m.Dir, prefixSite+string(head.Site)), signed, 0o600); err != nil {
		return err
	}
	m.mu.Lock()
	all := append([]made{now}, m.sites[head.Site]...)
	m.sites[head.Site] = all[:min(len(all), keptHeads)]
	m.mu.Unlock()
	var boxes []record.BoxID
	err = m.Store.Update(ctx, func(tx store.Tx) (err error) {
		if err := tx.RosterMade(head.Site, number, safe); err != nil {
			return err
		}
		boxes, err = tx.BoxesAt(head.Site)
		return err
	})
	if err != nil {
		return fmt.Errorf("noting that a roster was made: %w", err)
	}
	for _, b := range boxes {
		m.Bells.Ring(b)
	}
	return nil
}

// weed removes files that no head which stays names.
func (m *Maker) weed() error {
	keep := map[string]bool{}
	m.mu.Lock()
	for site, all := range m.sites {
		keep[prefixSite+string(site)] = true
		for _, h := range all {
			keep[h.offer.Head.ID.String()+extHead] = true
			for _, p := range h.head.Parts {
				keep[filepath.Base(m.path(p))] = true
			}
		}
	}
	m.mu.Unlock()
	files, err := os.ReadDir(m.Dir)
	errs := []error{err}
	for _, f := range files {
		ours := strings.HasPrefix(f.Name(), temporary) || strings.HasPrefix(f.Name(), prefixSite) ||
			strings.HasSuffix(f.Name(), extSegment) || strings.HasSuffix(f.Name(), extHead)
		if ours && !keep[f.Name()] {
			errs = append(errs, os.Remove(filepath.Join(m.Dir, f.Name())))
		}
	}
	return errors.Join(errs...)
}
