package rosters_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/rosters"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// town is a central with one box, and what a test does in it.
type town struct {
	*testing.T
	c   *simcentral.Central
	box store.Box
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := simcentral.New(t)
	return &town{t, c, c.Box().Row(t)}
}

func cert(n int) certid.CertID {
	s, err := certid.ParseSerial([]byte{0x51, byte(n >> 8), byte(n), 0x17, 0x2a})
	if err != nil {
		panic(err) // a test's own literal
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}

func tapOf(n int) record.TapID { return record.TapID{ID128: record.ID128{byte(n >> 8), byte(n), 9}} }

const birthday = "19620417"

// enrol has people enrol from one to before another, with pseudonyms.
func (w *town) enrol(from, to int) {
	w.Helper()
	w.c.Check(w.c.Store.Update(w.Context(), func(tx store.Tx) error {
		for n := from; n < to; n++ {
			who, err := w.c.People.Meet(tx, simbox.Verifier, cert(n), nil, w.c.World.Now())
			if err != nil {
				return err
			}
			row := append([]byte{0, 0, 0, 0, 0, 0, byte(who.Row >> 8), byte(who.Row)}, simbox.Service...)
			if _, err := tx.AddSubject(store.Subject{
				Person: who.Row, Sector: string(simbox.Service), PPID: w.c.Keys.Rows.Seal("subjects.ppid", row, []byte(ppid(n))),
			}); err != nil {
				return err
			}
			_, err = w.c.People.Enrol(tx, store.Enrolment{
				Tap: tapOf(n), Verifier: simbox.Verifier, Person: who.Row, Box: w.box.ID, Site: w.box.Site, At: simbox.Tapped,
			}, person.Kept{
				Hierarchy: certid.HierarchyPractice, Serial: cert(n).Serial.Bytes(), Birth: &roster.Birth{Date: birthday, Form: 1}, Key: make([]byte, 90),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func ppid(n int) string { return fmt.Sprintf("MADEUPPSEUDONYM%05d", n) }

func (w *town) update(f func(tx store.Tx) error) {
	w.Helper()
	w.c.Check(w.c.Store.Update(w.Context(), f))
}

// make makes what changed, and opens what is offered now as a box would.
func (w *town) make() (roster.Head, map[record.TapID]roster.Entry) {
	w.Helper()
	w.c.Check(w.c.Rosters.Make(w.Context()))
	return w.offered()
}

func (w *town) offered() (head roster.Head, people map[record.TapID]roster.Entry) {
	w.Helper()
	var o wire.RosterOffer
	w.c.Check(w.c.Store.View(w.Context(), func(tx store.Tx) error {
		got, ok, err := w.c.Rosters.Offer(tx, w.box.Site)
		if o = got; !ok {
			w.Fatal("no roster is offered")
		}
		return err
	}))
	head, err := roster.OpenHead(sign.One{Key: simcentral.Public(w.T, w.c.Keys.Sign)}, w.blob(o.Head))
	w.c.Check(err)
	if head.Version != o.Version || head.Site != w.box.Site || len(o.Segments) != len(head.Parts) {
		w.Fatalf("head %v of site %s, offered %v", head.Version, head.Site, o.Version)
	}
	people, seen := map[record.TapID]roster.Entry{}, map[record.TapID]bool{}
	for i, p := range head.Parts {
		path := filepath.Join(w.TempDir(), "segment")
		w.c.Check(os.WriteFile(path, w.blob(o.Segments[i]), 0o600))
		s, err := segment.OpenFile(path, p)
		w.c.Check(err)
		opener, err := s.Opener(w.keys(p))
		w.c.Check(err)
		w.c.Check(opener.All(func(e roster.Entry, gone bool) error {
			if !seen[e.Enrolled] && !gone {
				people[e.Enrolled] = e
			}
			seen[e.Enrolled] = true
			return nil
		}))
		w.c.Check(s.CloseNow())
	}
	return head, people
}

func (w *town) keys(p roster.Part) (k *segment.Keys) {
	w.Helper()
	w.c.Check(w.c.Store.View(w.Context(), func(tx store.Tx) error {
		ring, err := w.c.SiteKeys.Ring(tx, w.box.Site)
		w.c.Check(err)
		key, ok := ring.Find(p.Generation)
		if !ok {
			w.Fatal("a segment of no generation of the site's")
		}
		k, err = segment.NewKeys(w.box.Site, key)
		return err
	}))
	return k
}

// blob is a file as a box gets it.
func (w *town) blob(b wire.Blob) []byte {
	w.Helper()
	f, err := w.c.Rosters.OpenBlob(b.ID)
	w.c.Check(err)
	got, err := io.ReadAll(f)
	w.c.Check(errors.Join(err, f.Close()))
	if uint64(len(got)) != b.Size {
		w.Fatalf("a file of %d octets, offered %d", len(got), b.Size)
	}
	return got
}

// Changes make small segments, which grow together; the whole is always what the database says.
func TestIncrementsGrowTogether(t *testing.T) {
	w := newTown(t)
	if head, people := w.make(); len(people) != 0 || len(head.Parts) != 0 || head.Version.N != 1 {
		t.Errorf("a site where nobody enrolled: %d people in %d segments, number %d", len(people), len(head.Parts), head.Version.N)
	}
	total, most := 0, 0
	for i := range 40 {
		n := 1 + i%3
		w.enrol(total, total+n)
		total += n
		head, people := w.make()
		if len(people) != total || int(head.People) != total {
			t.Fatalf("%d people, head says %d, want %d", len(people), head.People, total)
		}
		most = max(most, len(head.Parts))
	}
	if most < 2 || most > 5 {
		t.Errorf("%d segments at most, want few, and more than one", most)
	}
	head, _ := w.make()
	again, _ := w.make()
	if again.Version != head.Version {
		t.Errorf("made anew without a change: %v after %v", again.Version, head.Version)
	}
}

// A change rings for the site's boxes, once the roster is made.
func TestAChangeIsRungFor(t *testing.T) {
	w := newTown(t)
	w.make()
	w.enrol(0, 1)
	bell := w.c.Bells.Box(w.box.ID)
	w.make()
	select {
	case <-bell:
	default:
		t.Error("the site's box was not rung for")
	}
}

// design §6: a renewal is pushed; who is superseded or withdrawn leaves the roster.
func TestRenewedAndSuperseded(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 20)
	w.make()
	w.update(func(tx store.Tx) error {
		_, err := w.c.People.Renew(tx, person.Renewal{Old: cert(3), New: cert(103)}, w.c.World.Now())
		return err
	})
	if _, people := w.make(); len(people) != 20 || !people[tapOf(3)].Renewed || !bytes.Equal(people[tapOf(3)].Serial, cert(103).Serial.Bytes()) {
		t.Errorf("%d people, renewed %t", len(people), people[tapOf(3)].Renewed)
	}
	w.update(func(tx store.Tx) error {
		e, err := tx.Enrolment(tapOf(5))
		if err != nil {
			return err
		}
		_, err = w.c.People.Enrol(tx, store.Enrolment{
			Tap: tapOf(500), Verifier: simbox.Verifier, Person: e.Person, Box: w.box.ID, Site: w.box.Site, At: simbox.Tapped.Add(time.Hour),
		}, person.Kept{
			Hierarchy: certid.HierarchyPractice, Serial: cert(5).Serial.Bytes(), Birth: &roster.Birth{Date: birthday, Form: 1}, Key: make([]byte, 91),
		})
		return err
	})
	_, people := w.make()
	if _, old := people[tapOf(5)]; old || len(people) != 20 || len(people[tapOf(500)].Key) != 91 {
		t.Errorf("after a second enrolment: %d people, the first is there %t", len(people), old)
	}
	if got := people[tapOf(500)].PINDay; got != person.DayOf(simbox.Tapped.Add(time.Hour)) || got == 0 {
		t.Errorf("day of the PIN = %d", got)
	}
}

// A head tells up to which verdict of each box it was made, in the state in which its people are. What changes nobody makes a head too, of the
// same segments, and not for each.
func TestAHeadTellsUpToWhichVerdict(t *testing.T) {
	w := newTown(t)
	other := w.c.Box().Row(t)
	w.enrol(0, 3)
	verdicts := func(n int) {
		w.update(func(tx store.Tx) error {
			for range n {
				_, err := tx.AddVerdict(w.box.ID, wire.Verdict{Verdict: record.VerdictAccepted, Tap: record.NewTapID()})
				w.c.Check(err)
			}
			return tx.MarkRoster(w.box.Site)
		})
	}
	tells := func(what string, h roster.Head, box record.BoxID, n uint64) {
		t.Helper()
		v := rule.Version{CentralEpoch: h.Version.CentralEpoch, N: n}
		next := rule.Version{CentralEpoch: v.CentralEpoch, N: n + 1}
		if !h.TellsOf(box, v) || h.TellsOf(box, next) || h.TellsOf(box, rule.Version{CentralEpoch: v.CentralEpoch + 1, N: n}) {
			t.Errorf("%s: tells of %v, want up to %d", what, h.Through, n)
		}
	}
	verdicts(2)
	first, _ := w.make()
	tells("made", first, w.box.ID, 2)
	tells("made", first, other.ID, 0)
	verdicts(1)
	again, _ := w.make()
	if again.Version != first.Version {
		t.Error("a head was made at once although nothing else is said of anybody")
	}
	w.c.World.Pass(3 * time.Second)
	again, people := w.make()
	tells("later", again, w.box.ID, 3)
	if again.Version.Compare(first.Version) <= 0 || len(again.Parts) != 1 || again.Parts[0].Root != first.Parts[0].Root || len(people) != 3 {
		t.Errorf("later: version %v after %v, %d segments, %d people", again.Version, first.Version, len(again.Parts), len(people))
	}
	verdicts(1)
	w.enrol(3, 4)
	head, _ := w.make()
	tells("with somebody new", head, w.box.ID, 4)
}

// A pseudonym leaves central only once its row is in a backup.
func TestAPseudonymWaitsForABackup(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 3)
	if _, people := w.make(); len(people) != 3 || people[tapOf(1)].Of(simbox.Service).PPID != "" {
		t.Errorf("%d people; a pseudonym that no backup has is told %t", len(people), people[tapOf(1)].Of(simbox.Service).PPID != "")
	}
	_, err := w.c.Keeper.Make(t.Context(), "one")
	w.c.Check(err)
	_, people := w.make()
	if got := people[tapOf(1)].Of(simbox.Service).PPID; got != ppid(1) {
		t.Errorf("PPID = %q, want %q", got, ppid(1))
	}
}

// Numbers reach the roster, and what takes them back does too, in whatever order they come; the roster names the record.
func TestNumbersAndWhatTakesThemBack(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 2)
	say := func(unlink bool, number string, tap byte, hours int) {
		w.update(func(tx store.Tx) error {
			e, err := tx.Enrolment(tapOf(0))
			if err != nil {
				return err
			}
			who, err := tx.Person(e.Person)
			if err != nil {
				return err
			}
			_, err = w.c.People.Link(tx, who, person.Said{
				Service: simbox.Service, Number: number, Unlink: unlink, Tap: record.TapID{ID128: record.ID128{0xab, tap}},
				At: simbox.Tapped.Add(time.Duration(hours) * time.Hour),
			}, w.c.World.Now())
			return err
		})
	}
	want := func(what, number string, tap byte) {
		t.Helper()
		_, people := w.make()
		got := people[tapOf(0)].Of(simbox.Service)
		if got.Number != number || got.Linked != (record.TapID{ID128: record.ID128{0xab, tap}}) || !people[tapOf(0)].Settles(got.Linked) {
			t.Errorf("%s: number %q by record %s, want %q by record %d", what, got.Number, got.Linked, number, tap)
		}
		if other := people[tapOf(1)].Of(simbox.Service); other.Number != "" {
			t.Errorf("%s: somebody else has number %q", what, other.Number)
		}
	}
	say(false, "L-0042", 1, 1)
	want("linked", "L-0042", 1)
	say(false, "L-0041", 9, 0)
	want("an earlier link that comes later", "L-0042", 1)
	say(true, "", 2, 2)
	want("taken back with the card", "", 2)
	say(false, "L-0043", 3, 3)
	want("linked anew", "L-0043", 3)
	takeBack := func(number string, tap byte, hours int) {
		w.update(func(tx store.Tx) error {
			_, err := w.c.People.TakeBack(tx, person.Said{
				Service: simbox.Service, Number: number, Unlink: true, Tap: record.TapID{ID128: record.ID128{0xab, tap}},
				At: simbox.Tapped.Add(time.Duration(hours) * time.Hour),
			}, w.c.World.Now())
			return err
		})
	}
	takeBack("L-0099", 4, 4)
	want("somebody else's was taken back", "L-0043", 3)
	takeBack("L-0043", 5, 5)
	want("taken back by staff", "", 5)
	takeBack("L-0044", 7, 9)
	say(false, "L-0044", 6, 6)
	want("a link that comes after what took it back", "", 7)
}

// design §5.6: a start makes nothing anew; a restore everything, under the new epoch, with the same pseudonyms.
func TestRule6ARestoredCentralMakesRostersAnew(t *testing.T) {
	k := simcentral.NewKeys(t)
	world, dir := simcentral.NewWorld(t, k), t.TempDir()
	w := &town{T: t, c: simcentral.Open(t, dir, k, world, nil)}
	w.box = w.c.Box().Row(t)
	w.enrol(0, 5)
	_, err := w.c.Keeper.Make(t.Context(), "before")
	w.c.Check(err)
	w.enrol(5, 8) // lost in the restore
	before, _ := w.make()
	w.c.Check(w.c.DB.Close())
	w.c = simcentral.Open(t, dir, k, world, nil)
	if after, people := w.make(); after.Version != before.Version || len(people) != 8 || after.Parts[0].Root != before.Parts[0].Root {
		t.Errorf("a start made the roster anew: %v after %v", after.Version, before.Version)
	}
	w.c.Check(w.c.DB.Close())
	_, err = backup.Restore(t.Context(), dir, filepath.Join(w.c.Keeper.Dir, "before.json"), world.Now())
	w.c.Check(err)
	w.c = simcentral.Open(t, dir, k, world, nil)
	defer func() { w.c.Check(w.c.DB.Close()) }()
	w.c.Check(w.c.Store.View(t.Context(), func(tx store.Tx) error {
		if _, ok, err := w.c.Rosters.Offer(tx, w.box.Site); ok || err != nil {
			t.Errorf("a roster of before the restore is offered: %t, %v", ok, err)
		}
		return nil
	}))
	after, people := w.make()
	if after.Version.Compare(before.Version) <= 0 || len(people) != 5 || people[tapOf(2)].Of(simbox.Service).PPID != ppid(2) {
		t.Errorf("after the restore %v with %d people, pseudonym %q", after.Version, len(people), people[tapOf(2)].Of(simbox.Service).PPID)
	}
}

// What is missing or damaged in the folder is made anew from the database.
func TestALostOrDamagedSegmentIsMadeAnew(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"lost": os.Remove,
		"damaged": func(path string) error {
			b, err := os.ReadFile(path)
			b[len(b)/3] ^= 1
			return errors.Join(err, os.WriteFile(path, b, 0o600))
		},
	} {
		w := newTown(t)
		w.enrol(0, 30)
		head, _ := w.make()
		w.c.Check(spoil(filepath.Join(w.c.Dir, "rosters", fmt.Sprintf("%x.segment", head.Parts[0].Root))))
		w.enrol(30, 60) // enough to merge with the first
		if head, people := w.make(); len(people) != 60 || len(head.Parts) != 1 {
			t.Errorf("%s: %d people in %d segments, want 60 in one", name, len(people), len(head.Parts))
		}
	}
}

// After a rotation what is new is sealed under the new generation, and the rest stays readable.
func TestRotation(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 30)
	before, _ := w.make()
	w.update(func(tx store.Tx) error { _, err := w.c.SiteKeys.Rotate(tx, w.box.Site); return err })
	w.enrol(30, 31)
	head, people := w.make()
	if len(people) != 31 || len(head.Parts) != 2 || head.Parts[0].Generation == head.Parts[1].Generation || head.Parts[1].Root != before.Parts[0].Root {
		t.Errorf("%d people in %d segments after a rotation", len(people), len(head.Parts))
	}
	w.enrol(31, 60)
	head, people = w.make()
	if len(people) != 60 || len(head.Parts) != 1 || head.Parts[0].Generation == before.Parts[0].Generation {
		t.Errorf("%d people in %d segments once they grew together", len(people), len(head.Parts))
	}
}

// New rules change what a roster tells of everybody: it is made anew, once.
func TestNewRulesMakeRostersAnew(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 5)
	before, _ := w.make()
	for range 2 {
		w.update(func(tx store.Tx) error { return tx.RaiseRosters(rule.Version{CentralEpoch: 1, N: 77}) })
	}
	after, people := w.make()
	if after.Version.N != before.Version.N+1 || after.Parts[0].Root == before.Parts[0].Root || len(people) != 5 {
		t.Errorf("number %d after %d, %d people", after.Version.N, before.Version.N, len(people))
	}
}

// A lost key empties no roster; boxes go on with what they have.
func TestALostKeyEmptiesNoRoster(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 5)
	before, _ := w.make()
	conf := w.c.Rosters.Config
	other := simcentral.NewKeys(t)
	conf.People = person.New(other.Rows, other.Identity)
	m, err := rosters.Open(conf)
	w.c.Check(err)
	w.enrol(5, 6)
	if err := m.Make(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Make = %v, want ErrDamaged", err)
	}
	if head, people := w.offered(); head.Version != before.Version || len(people) != 5 {
		t.Errorf("%v with %d people is offered, want the one before", head.Version, len(people))
	}
}

// P3: the folder names nobody.
func TestP3TheFolderNamesNobody(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 30)
	_, err := w.c.Keeper.Make(t.Context(), "one")
	w.c.Check(err)
	w.make()
	files, err := os.ReadDir(filepath.Join(w.c.Dir, "rosters"))
	w.c.Check(err)
	if len(files) < 3 {
		t.Fatalf("%d files, want a head, its copy and a segment", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(w.c.Dir, "rosters", f.Name()))
		w.c.Check(err)
		for what, planted := range map[string][]byte{
			"birth date": []byte(birthday), "serial": cert(7).Serial.Bytes(), "PPID": []byte(ppid(7)), "verifier": []byte(simbox.Verifier),
		} {
			if bytes.Contains(b, planted) {
				t.Errorf("%s stands in %s", what, f.Name())
			}
		}
	}
}

// A box that fetches an older roster is not left with half of it.
func TestOlderFilesStayForAWhile(t *testing.T) {
	w := newTown(t)
	w.enrol(0, 10)
	before, _ := w.make()
	w.enrol(10, 20)
	w.make()
	f, err := w.c.Rosters.OpenBlob(wire.BlobID(before.Parts[0].Root))
	w.c.Check(err)
	w.c.Check(f.Close())
	for n := 20; n < 30; n += 2 {
		w.enrol(n, n+2)
		w.make()
	}
	if _, err := w.c.Rosters.OpenBlob(wire.BlobID(before.Parts[0].Root)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenBlob(a segment of long ago) = %v, want it gone", err)
	}
}
