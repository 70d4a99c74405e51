package roster_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/record"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

var errLocked = errors.New("locked")

// site is a box's roster and the central that sends it.
type site struct {
	*testing.T
	*rostertest.Central
	dir    string
	keys   sign.Keys
	ring   sitekey.Ring
	locked bool
	store  *roster.Store
}

func newSite(t *testing.T) *site {
	t.Helper()
	c := rostertest.New(t)
	s := &site{T: t, Central: c, dir: filepath.Join(t.TempDir(), "roster"), keys: c, ring: c.Ring}
	s.open()
	t.Cleanup(func() { s.store.Close() })
	return s
}

func (s *site) Helper()           { s.T.Helper() }
func (s *site) Fatal(args ...any) { s.T.Helper(); s.T.Fatal(args...) }

// open opens the folder anew, as after a start.
func (s *site) open() {
	s.T.Helper()
	if s.store != nil {
		s.store.Close()
	}
	var err error
	s.store, err = roster.Open(roster.Config{
		Dir: s.dir, Site: rostertest.Site, Keys: func() sign.Keys { return s.keys }, Ring: func() (sitekey.Ring, error) {
			if s.locked {
				return sitekey.Ring{}, errLocked
			}
			return s.ring, nil
		},
	})
	must(s.T, err)
}

func (s *site) take(o wire.RosterOffer) {
	s.T.Helper()
	must(s.T, s.store.Offer(s.Context(), s.Central, o))
}

// knows is who of the first n people is found by certificate, tap, pseudonym and number alike.
func (s *site) knows(n int) (found []int) {
	s.T.Helper()
	for i := range n {
		e := rostertest.Person(i)
		id, err := e.ID()
		must(s.T, err)
		got, ok, err := s.store.Find(rostertest.City, id)
		must(s.T, err)
		other, byTap, err := s.store.ByTap(e.Enrolled)
		must(s.T, err)
		_, byPPID, err := s.store.ByPPID(e.Services[0].PPID)
		must(s.T, err)
		if ok != byTap || ok != byPPID || ok && (got.Enrolled != e.Enrolled || other.Enrolled != e.Enrolled) {
			s.Fatalf("person %d: by certificate %t, by tap %t, by pseudonym %t", i, ok, byTap, byPPID)
		}
		if i%2 == 0 {
			if _, byNumber, err := s.store.ByNumber(rostertest.Library, rostertest.Number(i)); err != nil || byNumber != ok {
				s.Fatalf("person %d: by certificate %t, by number %t, %v", i, ok, byNumber, err)
			}
		}
		if ok {
			found = append(found, i)
		}
	}
	return found
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func (s *site) want(what string, n int, want []int) {
	s.T.Helper()
	if got := s.knows(n); !slices.Equal(got, want) {
		s.Errorf("%s: %v are known, want %v", what, got, want)
	}
}

// A box is told once, and then in increments; what a newer segment says goes before what an older one says.
func TestARosterComesWholeAndThenInIncrements(t *testing.T) {
	s := newSite(t)
	s.want("nothing yet", 3, nil)
	s.take(s.Publish(true, rostertest.People(0, 10)))
	s.want("the first", 12, upTo(10))
	moved := rostertest.Person(3)
	moved.Serial, moved.Renewed = []byte{0x77, 3}, true
	s.take(s.Publish(false, func(w *segment.Writer) error {
		return errors.Join(w.Add(moved), w.Gone(rostertest.Tap(5)), w.Add(rostertest.Person(10)))
	}))
	old, err := rostertest.Person(3).ID()
	must(t, err)
	next, err := moved.ID()
	must(t, err)
	if _, ok, err := s.store.Find(rostertest.City, old); ok || err != nil {
		t.Errorf("the old certificate finds somebody: %t, %v", ok, err)
	}
	if e, ok, err := s.store.Find(rostertest.City, next); !ok || err != nil || !e.Renewed {
		t.Errorf("the new certificate finds %t, renewed %t, %v", ok, e.Renewed, err)
	}
	s.take(s.Publish(false, func(w *segment.Writer) error { return w.Add(rostertest.Person(3)) }))
	want := slices.DeleteFunc(upTo(11), func(i int) bool { return i == 5 })
	s.want("three segments", 12, want)
	if v := s.store.Version(); v.N != 3 || s.store.Len() != 13 {
		t.Errorf("version %d with %d people, want 3 with 13 as central counted", v.N, s.store.Len())
	}
	s.open()
	s.want("after a start", 12, want)
	given := len(s.Given)
	s.take(s.Publish(false, rostertest.People(20, 21)))
	if len(s.Given) != given+2 {
		t.Errorf("%d files were asked for, want a head and a segment", len(s.Given)-given)
	}
}

// P9: an older roster never replaces a newer one, another site's none; and nothing that was not signed, or is not what was offered.
func TestP9OfferRefuses(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 4)))
	s.take(s.Publish(true, rostertest.People(0, 5)))
	parts := s.Parts
	stranger := rostertest.New(t)
	wrong := s.Head(rule.Version{CentralEpoch: 1, N: 9}, rostertest.Site, parts)
	wrong.Version.N = 8
	spoilt := s.Head(rule.Version{CentralEpoch: 1, N: 10}, rostertest.Site, parts)
	spoilt.Head.ID[0] ^= 1
	s.Blobs[spoilt.Head.ID] = s.Blobs[wrong.Head.ID]
	for name, c := range map[string]struct {
		offer wire.RosterOffer
		want  error
	}{
		"older":                {s.Head(rule.Version{CentralEpoch: 1, N: 1}, rostertest.Site, parts), roster.ErrOlder},
		"the same":             {s.Head(rule.Version{CentralEpoch: 1, N: 2}, rostertest.Site, nil), roster.ErrOlder},
		"another site's":       {s.Head(rule.Version{CentralEpoch: 1, N: 7}, "branch-2", parts), roster.ErrSite},
		"signed by a stranger": {borrow(s, stranger, 3), sign.ErrUnknownKey},
		"of another number":    {wrong, roster.ErrOffer},
		"another file":         {spoilt, roster.ErrDigest},
		"none":                 {wire.RosterOffer{}, roster.ErrOffer},
		"too large":            {wire.RosterOffer{Version: rule.Version{CentralEpoch: 1, N: 99}, Head: wire.Blob{Size: shared.MaxHead + 1}}, roster.ErrSize},
		"away":                 {wire.RosterOffer{Version: rule.Version{CentralEpoch: 1, N: 99}, Head: wire.Blob{Size: 99}}, fetch.ErrLine},
	} {
		if err := s.store.Offer(t.Context(), s.Central, c.offer); !errors.Is(err, c.want) {
			t.Errorf("%s: Offer = %v, want %v", name, err, c.want)
		}
	}
	s.want("after all that", 6, upTo(5))
	s.open()
	s.want("after a start", 6, upTo(5))
	s.take(s.Head(rule.Version{CentralEpoch: 2, N: 1}, rostertest.Site, parts)) // a restored central counts from one again
}

// borrow lets a site's line serve another central's offer under a later number.
func borrow(s *site, from *rostertest.Central, n uint64) wire.RosterOffer {
	from.Publish(true, rostertest.People(0, 1))
	o := from.Head(rule.Version{CentralEpoch: 1, N: n}, rostertest.Site, from.Parts)
	maps.Copy(s.Blobs, from.Blobs)
	return o
}

// A line that is cut after every third chunk costs no chunk twice.
func TestFetchingGoesOnWhereItWasCut(t *testing.T) {
	s := newSite(t)
	o := s.Publish(true, rostertest.People(0, 3000))
	s.Cut = 3*chunk.Size + 9
	cuts := 0
	for {
		err := s.store.Offer(t.Context(), s.Central, o)
		if err == nil {
			break
		}
		if !errors.Is(err, fetch.ErrLine) {
			t.Fatal(err)
		}
		if cuts++; cuts == 2 {
			s.open() // a start in between
		}
	}
	size := int(s.Parts[0].Size) //nolint:gosec // small
	if given := s.Given[wire.BlobID(s.Parts[0].Root)]; cuts < 3 || given > size+cuts*chunk.Size {
		t.Errorf("%d octets were given for %d after %d cuts", given, size, cuts)
	}
	s.want("whole", 5, upTo(5))
}

// stopping is a line that copies the box's folder at each call, as a power cut at that moment would leave it.
type stopping struct {
	*rostertest.Central
	dir    string
	copies []string
	t      *testing.T
}

func (s *stopping) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	to := filepath.Join(s.t.TempDir(), "copy")
	must(s.t, os.CopyFS(to, os.DirFS(s.dir)))
	s.copies = append(s.copies, to)
	return s.Central.Blob(ctx, id, from)
}

// P2: a power cut while a roster comes, and before or after its head has its name, leaves the one before or the new one, whole, and the box
// goes on from there.
func TestAPowerCutLeavesAWholeRoster(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 400)))
	s.Publish(false, rostertest.People(400, 410))
	o := s.Publish(false, rostertest.People(410, 420))
	s.Cut = chunk.Size / 2
	line := &stopping{Central: s.Central, dir: s.dir, t: t}
	for errors.Is(s.store.Offer(t.Context(), line, o), fetch.ErrLine) {
		s.Cut *= 2
	}
	s.want("at the end", 420, upTo(420))
	after := s.dir
	halfway := filepath.Join(t.TempDir(), "head") // segments are there, and the head is the one before
	must(t, os.CopyFS(halfway, os.DirFS(after)))
	before, err := os.ReadFile(filepath.Join(after, "head.previous"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(halfway, "head"), before, 0o600))
	if len(line.copies) < 5 {
		t.Fatalf("%d moments, want one for each part of a head and two segments", len(line.copies))
	}
	for i, dir := range append(line.copies, halfway) {
		s.dir = dir
		s.open()
		s.want("after the cut", 420, upTo(400))
		s.take(o)
		s.want("gone on", 420, upTo(420))
		if files, err := os.ReadDir(dir); err != nil || len(files) != 5 {
			t.Errorf("moment %d: %d files are left, %v; want two heads and three segments", i, len(files), err)
		}
	}
	t.Logf("%d moments", len(line.copies)+1)
}

// P9: a flipped bit is refused at first touch; the version before serves on, and the newest is mended by the chunk.
func TestP9DamageFallsBackAndIsMended(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 2000)))
	s.take(s.Publish(true, rostertest.People(0, 2100))) // compacted: it shares nothing with the one before
	s.open()
	path := s.segment(0)
	flip(t, path, chunk.Size+17)
	s.open()
	s.want("the version before", 2200, upTo(2000))
	if got := s.store.Version().N; got != 1 {
		t.Errorf("version %d answers, want the one before, 1", got)
	}
	before := s.Given[wire.BlobID(s.Parts[0].Root)]
	s.mended(func() bool { return s.store.Version().N == 2 })
	if given := s.Given[wire.BlobID(s.Parts[0].Root)] - before; given > int(s.Parts[0].Size)-chunk.Size+32*99 { //nolint:gosec // small
		t.Errorf("%d octets of %d were fetched to mend one chunk", given, s.Parts[0].Size)
	}
	s.want("mended", 2200, upTo(2100))
	s.open()
	s.want("mended, after a start", 2200, upTo(2100))
}

// P9: where both versions share the damaged chunk, what can be read is of use, the rest is no answer rather than a wrong one.
func TestP9WhatCanBeReadIsOfUse(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 2000)))
	s.take(s.Publish(false, rostertest.People(2000, 2001)))
	flip(t, s.segment(1), chunk.Size+17)
	s.open()
	answers, refused, bad := 0, 0, 0
	for i := range 2000 {
		_, ok, err := s.store.ByTap(rostertest.Tap(i))
		switch {
		case errors.Is(err, segment.ErrDigest):
			refused, bad = refused+1, i
		case err != nil || !ok:
			t.Fatalf("person %d: %t, %v", i, ok, err)
		default:
			answers++
		}
	}
	if answers < 1000 || refused == 0 {
		t.Errorf("%d answers and %d refusals", answers, refused)
	}
	s.mended(func() bool { _, _, err := s.store.ByTap(rostertest.Tap(bad)); return err == nil })
	s.want("mended", 2001, upTo(2001))
}

func (s *site) segment(i int) string {
	return filepath.Join(s.dir, hex.EncodeToString(s.Parts[i].Root[:])+".segment")
}

// mended runs the store until something holds.
func (s *site) mended(until func() bool) {
	s.T.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.store.Run(ctx, s.Central) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !until() {
		<-tick.C
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		s.T.Fatal(err)
	}
}

// Without a generation of the keys whoever stands in a part that can be read is found, unless a newer part cannot: it may take them off. Of
// everybody else nobody knows, which is not the same as not enrolled.
func TestP6AMissingGenerationIsNoAnswer(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 5)))
	s.Rotate()
	s.take(s.Publish(false, rostertest.People(5, 9)))
	newer, _, _ := s.Ring.Current()
	k, _ := s.Ring.Find(newer)
	only, err := sitekey.NewRing(k)
	must(t, err)
	both := s.Ring
	for _, c := range []struct {
		what  string
		ring  sitekey.Ring
		known func(person int) bool
	}{
		{"the newer one alone", only, func(n int) bool { return n >= 5 && n < 9 }},
		{"the older one alone", older(t, both, newer), func(int) bool { return false }},
	} {
		s.ring = c.ring
		for n := range 10 {
			e := rostertest.Person(n)
			id, err := e.ID()
			must(t, err)
			_, ok, err := s.store.Find(rostertest.City, id)
			if want := c.known(n); ok != want || errors.Is(err, localapi.ErrLocked) == want {
				t.Errorf("%s: Find(%d) = %t, %v, want %t, and ErrLocked unless found", c.what, n, ok, err, want)
			}
		}
	}
	s.ring = both
	s.want("both are", 10, upTo(9))
}

// older is a ring without one of its generations.
func older(t *testing.T, r sitekey.Ring, without sitekey.Generation) sitekey.Ring {
	t.Helper()
	var rest []sitekey.Key
	for _, k := range r.Keys() {
		if k.Generation() != without {
			rest = append(rest, k)
		}
	}
	only, err := sitekey.NewRing(rest...)
	must(t, err)
	return only
}

// P3: locked, nobody is found, and nothing that was opened before helps; nothing on the disk names anybody.
func TestP3LockedKnowsNobody(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 50)))
	s.want("open", 50, upTo(50))
	s.locked = true
	e := rostertest.Person(8)
	id, err := e.ID()
	must(t, err)
	if _, ok, err := s.store.Find(rostertest.City, id); ok || !errors.Is(err, localapi.ErrLocked) || !errors.Is(err, errLocked) {
		t.Errorf("Find(locked) = %t, %v, want ErrLocked", ok, err)
	}
	if s.store.Len() != 50 {
		t.Errorf("Len(locked) = %d, want 50", s.store.Len())
	}
	files, err := os.ReadDir(s.dir)
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(s.dir, f.Name()))
		must(t, err)
		for what, planted := range map[string][]byte{
			"serial": e.Serial, "birth date": []byte(e.Birth.Date), "PPID": []byte(e.Services[0].PPID), "number": []byte(e.Services[0].Number),
			"tap": e.Enrolled.ID128[:], "verifier": []byte(e.Verifier),
		} {
			if bytes.Contains(b, planted) || strings.Contains(f.Name(), string(planted)) {
				t.Errorf("%s stands in %s", what, f.Name())
			}
		}
	}
	s.locked = false
	s.store.Forget()
	s.want("open again", 50, upTo(50))
}

// P9: what the keys in force do not vouch for is out of force; it is in again with them.
func TestP9ReviewTakesOutOfForce(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 5)))
	s.keys = rostertest.New(t)
	s.store.Review()
	s.want("other keys", 5, nil)
	if s.store.Version() != (rule.Version{}) {
		t.Errorf("version %v, want none, so that central sends another", s.store.Version())
	}
	s.open()
	s.want("other keys, after a start", 5, nil)
	s.keys = s.Central
	s.store.Review()
	s.want("the keys came back", 5, upTo(5))
}

// Whoever looks at the folder without the site key is told what is there and whether it is whole, and changes nothing.
func TestPeekTellsWhatIsThere(t *testing.T) {
	s := newSite(t)
	if none, err := roster.Peek(s.dir+"-nowhere", s.Central); len(none) != 0 || err != nil {
		t.Errorf("Peek(no folder) = %d, %v", len(none), err)
	}
	s.take(s.Publish(true, rostertest.People(0, 5)))
	s.take(s.Publish(false, rostertest.People(5, 6)))
	files, err := roster.Peek(s.dir, s.Central)
	must(t, err)
	if len(files) != 2 || files[0].Head.Version.N != 2 || files[0].Err != nil || files[0].Chunks != 2 || files[1].Head.Version.N != 1 {
		t.Errorf("Peek = %d rosters, the first %v with %d chunks, %v", len(files), files[0].Head.Version, files[0].Chunks, files[0].Err)
	}
	flip(t, s.segment(0), 200)
	files, err = roster.Peek(s.dir, s.Central)
	must(t, err)
	if !errors.Is(files[0].Err, segment.ErrDigest) || files[1].Err != nil {
		t.Errorf("Peek(damaged) = %v and %v, want ErrDigest and nil", files[0].Err, files[1].Err)
	}
	if files, err = roster.Peek(s.dir, rostertest.New(t)); err != nil || !errors.Is(files[0].Err, sign.ErrUnknownKey) {
		t.Errorf("Peek(other keys) = %v, %v, want ErrUnknownKey", files[0].Err, err)
	}
}

func TestEraseLeavesNothing(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 5)))
	must(t, s.store.Erase())
	s.want("erased", 5, nil)
	if files, err := os.ReadDir(s.dir); err != nil || len(files) != 0 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
	s.take(s.Publish(true, rostertest.People(0, 5))) // a box that opens anew
	s.want("anew", 5, upTo(5))
}

// Run takes what is offered, over a line that fails, and an erasure or new trust does not wait for a download.
func TestRunTakesWhatIsOffered(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // then whoever lets go of a lock takes it again before who waits for it
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		slow := &hanging{Central: s.Central, hang: make(chan struct{})}
		go func() { ended <- s.store.Run(ctx, slow) }()
		offer := s.Publish(true, rostertest.People(0, 700))
		slow.ended = func() { s.store.Offered(offer) } // the next download begins as the last one ends
		s.store.Offered(offer)
		synctest.Wait() // it hangs
		s.store.Review()
		close(slow.hang)
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble's own clock
		synctest.Wait()
		s.want("by Run", 4, upTo(4))
		s.store.Offered(s.Head(rule.Version{CentralEpoch: 1, N: 1}, rostertest.Site, nil)) // older: nothing to do
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.store.Close()
	})
}

// hanging is a line that hangs until it is let go.
type hanging struct {
	*rostertest.Central
	hang  chan struct{}
	ended func() // is called where it was let go of before
}

func (h *hanging) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	select {
	case <-h.hang:
	case <-ctx.Done():
		h.ended()
		return nil, ctx.Err()
	}
	return h.Central.Blob(ctx, id, from)
}

// Taps look up while rosters come.
func TestLookupsWhileRostersCome(t *testing.T) {
	s := newSite(t)
	s.take(s.Publish(true, rostertest.People(0, 300)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 12 {
			o := s.Publish(n%3 == 2, rostertest.People(0, 300))
			if err := s.store.Offer(t.Context(), s.Central, o); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := 0; ; i++ {
		if _, ok, err := s.store.ByTap(rostertest.Tap(i % 300)); err != nil || !ok {
			t.Fatalf("person %d: %t, %v", i%300, ok, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// 200,000 people are opened and found in no time worth mentioning; see `make bench-box` for figures.
func TestManyPeople(t *testing.T) {
	s := newSite(t)
	const n = 20_000
	s.take(s.Publish(true, rostertest.People(0, n)))
	for i := 0; i < n; i += 997 {
		if _, ok, err := s.store.ByTap(rostertest.Tap(i)); !ok || err != nil {
			t.Errorf("person %d: %t, %v", i, ok, err)
		}
	}
	if _, ok, err := s.store.Find(rostertest.City, certid.CertID{}); ok || err != nil {
		t.Errorf("nobody's certificate finds somebody: %t, %v", ok, err)
	}
	if _, ok, err := s.store.ByTap(record.TapID{}); ok || err != nil {
		t.Errorf("nobody's tap finds somebody: %t, %v", ok, err)
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	must(t, errors.Join(err, f.Close()))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
