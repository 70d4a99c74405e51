//go:build integration

package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	line "kazashi.example/appliance/fetch"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	entry "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

func init() {
	children["roster"] = func(dir string) error {
		var o wire.RosterOffer
		p, err := readParish(os.Getenv(envShop), &o)
		if err != nil {
			return err
		}
		return p.inSite(dir, func(ctx context.Context, b sitebook.People, s *roster.Store) error {
			if err := p.offer(ctx, s, o, 40_000); err != nil {
				return err
			}
			fmt.Println("in use")
			err := b.Settle(ctx)
			fmt.Println("settled")
			return err
		})
	}
	children["roster erased"] = func(dir string) error {
		p, err := readParish(os.Getenv(envShop), &wire.RosterOffer{})
		if err != nil {
			return err
		}
		s, err := p.store(dir)
		if err != nil {
			return err
		}
		err = s.Erase()
		fmt.Println("erased")
		return err
	}
}

// The made-up site: who stands on its first roster, and who enrolled here, one named by the third roster and one never.
const (
	atFirst   = 140 // entries enough for two chunks
	named     = 900
	unnamed   = 901
	linkedNow = 8 // was linked to localLink here, which the third roster names
	freed     = 2 // whose number was taken back here, which none names
	localLink = "LOCAL-8"
	parishOf  = "shelter-1"
)

var (
	parishRing = siteRing(2)
	parishBox  = record.BoxID{ID128: record.ID128{1}}
	verdicts   = rule.Version{CentralEpoch: 1, N: 1} // of what the third roster tells of
)

// allRecorded is a journal that has the record of every tap.
type allRecorded struct{}

// Mark is before all of them.
func (allRecorded) Mark() int64 { return 0 }

// Has says so.
func (allRecorded) Has(context.Context, record.TapID, int64) (bool, error) { return true, nil }

// decided is central's word on what the third roster names; on the rest it has none yet.
func decided(_ context.Context, tap record.TapID) (f sitebook.Final, ok bool, err error) {
	if tap == rostertest.Tap(named) || tap == tapOf(linkedNow) {
		return sitebook.Final{Version: verdicts, Verdict: record.VerdictAccepted}, true, nil
	}
	return f, false, nil
}

// parish is a site's central, whose rosters lie in a folder beside the one that is worked in.
type parish struct {
	dir    string
	keys   sign.Keys
	offers []wire.RosterOffer
	lists  []map[int]entry.Entry // who stands on each
}

// newParish publishes four rosters: one whole, an increment, another or, where whole, a new base under new keys, and one more increment.
func newParish(t *testing.T, whole bool) *parish {
	t.Helper()
	c := rostertest.New(t)
	c.Site, c.Ring = parishOf, siteRing(1)
	public, err := sign.PublicKeyOf(c.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	p := &parish{dir: t.TempDir(), keys: sign.One{Key: public}}
	p.publish(c, true, persons(0, atFirst))
	more := persons(atFirst, atFirst+9)
	more[3] = numbered(3, "NEW-3", record.TapID{ID128: record.ID128{0x12, 3}})
	p.publish(c, false, more)
	if whole {
		c.Ring = siteRing(2)
	}
	c.Told = []entry.Through{{Box: parishBox, Verdicts: verdicts}}
	renewed := rostertest.Person(6)
	renewed.Serial, renewed.Renewed = []byte{0x42, 6}, true
	here := rostertest.Person(named)
	p.publish(c, whole, map[int]*entry.Entry{
		4: numbered(4, "NEW-4", record.TapID{ID128: record.ID128{0x12, 4}}), 5: nil, 6: &renewed, named: &here,
		linkedNow: numbered(linkedNow, localLink, tapOf(linkedNow)),
	})
	p.publish(c, false, persons(atFirst+9, atFirst+12))
	for id, b := range c.Blobs {
		if err := os.WriteFile(filepath.Join(p.dir, id.String()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "key"), public.DER(), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func persons(from, to int) map[int]*entry.Entry {
	list := map[int]*entry.Entry{}
	for n := from; n < to; n++ {
		e := rostertest.Person(n)
		list[n] = &e
	}
	return list
}

// numbered is a person with a number that a record linked.
func numbered(n int, number string, by record.TapID) *entry.Entry {
	e := rostertest.Person(n)
	e.Services[0].Number, e.Services[0].Linked = number, by
	return &e
}

// publish makes the next roster by a change of the one before: nil for who is gone.
func (p *parish) publish(c *rostertest.Central, whole bool, change map[int]*entry.Entry) {
	next := map[int]entry.Entry{}
	if len(p.lists) > 0 {
		next = maps.Clone(p.lists[len(p.lists)-1])
	}
	for n, e := range change {
		if e == nil {
			delete(next, n)
		} else {
			next[n] = *e
		}
	}
	p.lists = append(p.lists, next)
	p.offers = append(p.offers, c.Publish(whole, func(w *segment.Writer) error {
		for _, n := range slices.Sorted(maps.Keys(next)) {
			if _, changed := change[n]; !changed && !whole {
				continue
			}
			if err := w.Add(next[n]); err != nil {
				return err
			}
		}
		for n, e := range change {
			if e == nil && !whole {
				return w.Gone(rostertest.Tap(n)) // there is one
			}
		}
		return nil
	}))
}

func readParish(dir string, o *wire.RosterOffer) (*parish, error) {
	spki, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "offer"))
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(spki)
	return &parish{dir: dir, keys: keys}, errors.Join(err, canon.Decode(b, o, 1<<20))
}

const folderRoster = "roster"

func (p *parish) store(dir string) (*roster.Store, error) {
	return roster.Open(roster.Config{
		Dir: filepath.Join(dir, folderRoster), Site: parishOf, Keys: func() sign.Keys { return p.keys },
		Ring: func() (sitekey.Ring, error) { return parishRing, nil },
	})
}

// inSite opens roster and site book of a folder, and closes both. Every tap of the book has its record.
func (p *parish) inSite(dir string, do func(context.Context, sitebook.People, *roster.Store) error) (err error) {
	ctx := context.Background()
	s, err := p.store(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	b, err := sitebook.Open(ctx, filepath.Join(dir, "sitebook.db"), sitebook.Options{
		Site: parishOf, Desk: "desk-1", Ring: func() (sitekey.Ring, error) { return parishRing, nil },
		Records: allRecorded{},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return do(ctx, sitebook.People{Book: b, Roster: s, Box: parishBox, Final: decided}, s)
}

// offer offers a roster until the line, which is cut once, after so many octets, lasts; 0: it is not.
func (p *parish) offer(ctx context.Context, s *roster.Store, o wire.RosterOffer, cut int64) error {
	central := &counter{dir: p.dir, cut: cut}
	err := line.ErrLine
	for errors.Is(err, line.ErrLine) {
		err = s.Offer(ctx, central, o)
	}
	return err
}

// before is a site that holds some rosters, and where people enrolled and numbers were linked and taken back.
func (p *parish) before(held ...int) func(dir string) error {
	return func(dir string) error {
		return p.inSite(dir, func(ctx context.Context, b sitebook.People, s *roster.Store) error {
			for _, n := range held {
				if err := p.offer(ctx, s, p.offers[n-1], 0); err != nil {
					return err
				}
			}
			now := time.Unix(1_795_000_000, 0)
			one, other := rostertest.Person(named), rostertest.Person(unnamed)
			one.Services, other.Services = nil, nil
			two, eight := rostertest.Person(freed), rostertest.Person(linkedNow)
			for _, v := range []sitebook.Visit{
				{Tap: one.Enrolled, Person: sitebook.Enrolled(one), Enrolment: &one},
				{Tap: other.Enrolled, Person: sitebook.Enrolled(other), Enrolment: &other},
				{Tap: tapOf(freed), Person: sitebook.Enrolled(two), Unlink: rostertest.Number(freed)},
				{Tap: tapOf(linkedNow), Person: sitebook.Enrolled(eight), Link: localLink},
			} {
				v.At, v.Service = now, rostertest.Library
				if err := b.Book.Write(ctx, v); err != nil {
					return err
				}
				b.Book.Confirm(v.Tap)
			}
			return nil
		})
	}
}

// answers demands that the roster in use is one of those allowed, whole, and nothing of another. 0: none.
func (p *parish) answers(s *roster.Store, allowed ...int) (int, error) {
	v := s.Version()
	if !slices.Contains(allowed, int(v.N)) { //nolint:gosec // a few
		return 0, fmt.Errorf("roster %d is in use, want one of %d", v.N, allowed)
	}
	list := map[int]entry.Entry{}
	if v != (rule.Version{}) {
		list = p.lists[v.N-1]
	}
	if s.Len() < len(list) { // increments count those that they replace, too
		return 0, fmt.Errorf("roster %d has %d people, want %d", v.N, s.Len(), len(list))
	}
	for _, n := range []int{0, 1, freed, 3, 4, 5, 6, 7, linkedNow, 9, atFirst - 1, atFirst, atFirst + 8, atFirst + 9, atFirst + 11, named, unnamed} {
		if err := p.asks(s, n, list); err != nil {
			return 0, fmt.Errorf("roster %d: person %d: %w", v.N, n, err)
		}
	}
	return int(v.N), nil //nolint:gosec // a few
}

// asks compares all that finds a person, by whatever roster it did, with what this one says.
func (p *parish) asks(s *roster.Store, n int, list map[int]entry.Entry) error {
	want, on := list[n]
	is := func(what string, should bool) func(entry.Entry, bool, error) error {
		return func(got entry.Entry, ok bool, err error) error {
			if err != nil || ok != should || ok && !same(got, want) {
				return errors.Join(fmt.Errorf("%s: found %t, want %t, or another entry", what, ok, should), err)
			}
			return nil
		}
	}
	errs := []error{is("by tap", on)(s.ByTap(rostertest.Tap(n)))}
	for _, l := range p.lists {
		e, ok := l[n]
		if !ok {
			continue
		}
		id, err := e.ID()
		if err != nil {
			return err
		}
		its := e.Of(rostertest.Library)
		errs = append(errs, is("by certificate", on && bytes.Equal(e.Serial, want.Serial))(s.Find(e.Verifier, id)),
			is("by PPID", on)(s.ByPPID(its.PPID)))
		if its.Number != "" {
			errs = append(errs, is("by number", on && its.Number == want.Of(rostertest.Library).Number)(s.ByNumber(rostertest.Library, its.Number)))
		}
	}
	return errors.Join(errs...)
}

func same(a, b entry.Entry) bool {
	x, errX := canon.Encode(a)
	y, errY := canon.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// lives demands that what was done here and central has not named goes before central's word, roster v being in use.
func lives(ctx context.Context, b sitebook.People, v int, settled bool) error {
	for _, n := range []int{named, unnamed} {
		e := rostertest.Person(n)
		id, err := e.ID()
		if err != nil {
			return err
		}
		k, err := b.Find(ctx, rostertest.City, id)
		central := n == named && v >= 3
		if err != nil || k.Entry.Enrolled != e.Enrolled || !central && k.Source != sitebook.Here || central && settled && k.Source != sitebook.Central {
			return errors.Join(fmt.Errorf("person %d, who enrolled here, is found by source %d", n, k.Source), err)
		}
	}
	two, eight := sitebook.Enrolled(rostertest.Person(freed)), sitebook.Enrolled(rostertest.Person(linkedNow))
	number, err := b.Number(ctx, rostertest.Library, sitebook.Known{Person: two, Source: sitebook.Central})
	if _, taken, berr := b.ByNumber(ctx, rostertest.Library, rostertest.Number(freed)); err != nil || berr != nil || number != "" || taken {
		return errors.Join(errors.New("a number that was taken back here is back"), err, berr)
	}
	if who, ok, err := b.ByNumber(ctx, rostertest.Library, localLink); err != nil || !ok || !who.Same(eight) {
		return errors.Join(errors.New("a number that was linked here is lost"), err)
	}
	if !settled {
		return nil
	}
	c, err := b.Book.Contents(ctx)
	want := sitebook.Contents{Enrolments: 2, Links: 2}
	if v >= 3 {
		want = sitebook.Contents{Enrolments: 1, Links: 1}
	}
	if err != nil || c != want {
		return errors.Join(fmt.Errorf("the book holds %+v, want %+v", c, want), err)
	}
	return nil
}

// check is the invariant while roster to is taken where held was in use: the one or the other answers, the other one being to if that was
// said; what it replaced is kept; what was done here goes before it; and the box goes on from there, leaving nothing behind.
func (p *parish) check(held, to int) func(crash.State) error {
	return func(st crash.State) error {
		return p.inSite(st.Dir, func(ctx context.Context, b sitebook.People, s *roster.Store) error {
			allowed := []int{held, to}
			if len(st.Said) > 0 {
				allowed = allowed[1:]
			}
			v, err := p.answers(s, allowed...)
			if err == nil {
				err = lives(ctx, b, v, slices.Contains(st.Said, "settled"))
			}
			if err == nil {
				err = p.kept(st.Dir, v, map[bool]int{true: held}[v == to])
			}
			if err != nil {
				return fmt.Errorf("after opening: %w", err)
			}
			if err := errors.Join(b.Settle(ctx), lives(ctx, b, v, true)); err != nil {
				return fmt.Errorf("after settling: %w", err)
			}
			return p.goesOn(ctx, st.Dir, b, s, v)
		})
	}
}

// goesOn takes the last roster.
func (p *parish) goesOn(ctx context.Context, dir string, b sitebook.People, s *roster.Store, from int) error {
	if err := errors.Join(p.offer(ctx, s, p.offers[3], 0), b.Settle(ctx), lives(ctx, b, 4, true)); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if _, err := p.answers(s, 4); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	return p.kept(dir, 4, from)
}

// kept demands that what lies there is whole, every chunk of it: the newest roster and the one before it, 0 for whichever, and after a
// further one nothing else.
func (p *parish) kept(dir string, newest, before int) error {
	dir = filepath.Join(dir, folderRoster)
	lying, err := roster.Peek(dir, p.keys)
	if err != nil {
		return err
	}
	var got []int
	files := map[string]bool{"head": true, "head.previous": true}
	for _, f := range lying {
		if f.Err != nil {
			return fmt.Errorf("roster %d lies there and is at fault: %w", f.Head.Version.N, f.Err)
		}
		got = append(got, int(f.Head.Version.N)) //nolint:gosec // a few
		for _, part := range f.Head.Parts {
			files[fmt.Sprintf("%x.segment", part.Root)] = true
		}
	}
	got = append(got, 0, 0)
	if got[0] != newest || before != 0 && got[1] != before {
		return fmt.Errorf("rosters %d lie there, want %d and %d", got, newest, before)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if newest == 4 && slices.ContainsFunc(left, func(f string) bool { return !files[filepath.Base(f)] }) {
		return fmt.Errorf("left behind: %q", left)
	}
	return err
}

// taking is the scenario in which a site takes a roster.
func (p *parish) taking(t *testing.T, name string, to int, held ...int) crash.Scenario {
	t.Helper()
	b, err := canon.Encode(p.offers[to-1])
	if err == nil {
		err = os.WriteFile(filepath.Join(p.dir, "offer"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	if len(held) > 0 {
		last = held[len(held)-1]
	}
	return crash.Scenario{
		Name: name, Before: p.before(held...), Child: p.child("roster"), Check: p.check(last, to), Ignore: []string{"*-shm"},
		Superfluous: superfluous,
	}
}

func (p *parish) child(child string) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, dir string) *exec.Cmd {
		cmd := again(child)(ctx, dir)
		cmd.Env = append(cmd.Env, envShop+"="+p.dir)
		return cmd
	}
}

// superfluous are fsyncs of a site that held a roster before.
var superfluous = map[string]string{
	"fsync dir roster":      "the first roster of all needs it after a segment's rename; later that of the head before it covers it",
	"fsync sitebook.db-wal": "SQLite keeps its log in order so; what was settled and is not any more is settled again",
}

func TestP2FirstRosterOfAll(t *testing.T) {
	t.Parallel()
	p := newParish(t, false)
	s := p.taking(t, "first roster", 1)
	s.Superfluous = nil
	matrices(t, s)
}

// P2: two increments at once.
func TestP2RosterGrows(t *testing.T) {
	t.Parallel()
	p := newParish(t, false)
	matrices(t, p.taking(t, "roster increments", 3, 1))
}

// P2: a base that shares nothing with what was held, under newer keys.
func TestP2RosterIsReplaced(t *testing.T) {
	t.Parallel()
	p := newParish(t, true)
	matrices(t, p.taking(t, "new base of the roster", 3, 1, 2))
}

// P3: an erasure that is interrupted leaves the roster whole or none, never the one before it; the next call completes it.
func TestP3RosterIsErased(t *testing.T) {
	t.Parallel()
	p := newParish(t, false)
	s := p.taking(t, "erasing the roster", 2, 1, 2)
	s.Child, s.Superfluous = p.child("roster erased"), nil
	s.Check = func(st crash.State) error {
		return p.inSite(st.Dir, func(ctx context.Context, b sitebook.People, s *roster.Store) error {
			allowed := []int{0, 2}
			if len(st.Said) > 0 {
				allowed = allowed[:1]
			}
			if _, err := p.answers(s, allowed...); err != nil {
				return fmt.Errorf("after opening: %w", err)
			}
			if left, err := os.ReadDir(filepath.Join(st.Dir, folderRoster)); err != nil || len(st.Said) > 0 && len(left) > 0 {
				return errors.Join(fmt.Errorf("erased, and %d files are left", len(left)), err)
			}
			if err := errors.Join(s.Erase(), lives(ctx, b, 0, true)); err != nil {
				return fmt.Errorf("erasing: %w", err)
			}
			if _, err := p.answers(s, 0); err != nil {
				return fmt.Errorf("after erasing: %w", err)
			}
			return p.goesOn(ctx, st.Dir, b, s, 0)
		})
	}
	matrices(t, s)
}
