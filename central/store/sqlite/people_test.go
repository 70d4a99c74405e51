package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
)

// home is a database with one box and two persons.
type home struct {
	*testing.T
	db  *sqlite.DB
	box store.Box
}

func newHome(t *testing.T) home {
	t.Helper()
	h := home{T: t, db: open(t, t.TempDir())}
	t.Cleanup(func() {
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h.box = simbox.New(t, k.Public()).Row(t)
	h.do(func(tx store.Tx) error {
		_, one := tx.AddPerson(store.Person{Verifier: "kiyose", Index: []byte{1}, Handle: []byte{1}, Made: now})
		_, two := tx.AddPerson(store.Person{Verifier: "iruma", Index: []byte{2}, Handle: []byte{2}, Made: now})
		return errors.Join(tx.AddBox(h.box), one, two)
	})
	return h
}

func (h home) do(f func(store.Tx) error) {
	h.Helper()
	if err := h.db.Update(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// taken runs a step that must find an identity taken.
func (h home) taken(what string, f func(store.Tx) error) {
	h.Helper()
	if err := h.db.Update(h.Context(), f); !errors.Is(err, store.ErrTaken) {
		h.Errorf("%s = %v, want ErrTaken", what, err)
	}
}

func (h home) enrolment(n byte, person int64, site record.SiteID, current bool) store.Enrolment {
	return store.Enrolment{
		Tap: record.TapID{ID128: record.ID128{n}}, Verifier: "kiyose", Person: person, Box: h.box.ID, Site: site,
		At: now.Add(time.Duration(n) * time.Minute), Current: current, Bound: true, Kept: []byte{n},
	}
}

func TestEnrolments(t *testing.T) {
	h := newHome(t)
	all := []store.Enrolment{
		h.enrolment(1, 1, "a", true), h.enrolment(2, 1, "b", true), h.enrolment(3, 2, "a", true), h.enrolment(4, 1, "a", false),
	}
	keyless := h.enrolment(6, 2, "c", true)
	keyless.Bound = false
	h.do(func(tx store.Tx) error {
		if err := tx.AddEnrolment(keyless); err != nil {
			return err
		}
		at, err := tx.EnrolmentsAt("c", record.TapID{}, 10)
		if len(at) != 0 {
			t.Errorf("EnrolmentsAt(c) = %d, want none: no card key is kept", len(at))
		}
		return errors.Join(err, tx.Supersede(keyless.Tap, []byte{}))
	})
	for _, e := range all {
		h.do(func(tx store.Tx) error { return tx.AddEnrolment(e) })
	}
	h.taken("AddEnrolment(same tap)", func(tx store.Tx) error { return tx.AddEnrolment(h.enrolment(4, 2, "c", false)) })
	h.taken("AddEnrolment(a second current one)", func(tx store.Tx) error { return tx.AddEnrolment(h.enrolment(5, 1, "a", true)) })
	h.do(func(tx store.Tx) error {
		got, err := tx.Enrolment(all[1].Tap)
		if err != nil || got.Tap != all[1].Tap || got.Verifier != "kiyose" || got.Person != 1 || got.Box != h.box.ID || got.Site != "b" ||
			!got.At.Equal(all[1].At) || !got.Current || string(got.Kept) != "\x02" {
			t.Errorf("Enrolment = %+v, %v, want what was added", got, err)
		}
		if _, err := tx.Enrolment(record.TapID{ID128: record.ID128{9}}); !errors.Is(err, store.ErrNone) {
			t.Errorf("Enrolment(unknown) = %v, want ErrNone", err)
		}
		at, err := tx.EnrolmentsAt("a", record.TapID{}, 10)
		if err != nil || len(at) != 2 || at[0].Tap != all[0].Tap || at[1].Tap != all[2].Tap {
			t.Errorf("EnrolmentsAt(a) = %d, %v, want the two current ones, by tap", len(at), err)
		}
		if at, err = tx.EnrolmentsAt("a", all[0].Tap, 10); err != nil || len(at) != 1 || at[0].Tap != all[2].Tap {
			t.Errorf("EnrolmentsAt(a, after the first) = %d, %v, want the second", len(at), err)
		}
		if at, err = tx.EnrolmentsAt("a", record.TapID{}, 1); err != nil || len(at) != 1 || at[0].Tap != all[0].Tap {
			t.Errorf("EnrolmentsAt(a, 1) = %d, %v, want the first", len(at), err)
		}
		if err := tx.Supersede(all[0].Tap, []byte("less")); err != nil {
			return err
		}
		left, err := tx.CurrentEnrolments(1)
		if err != nil || len(left) != 1 || left[0].Site != "b" {
			t.Errorf("CurrentEnrolments = %+v, %v, want the one at b", left, err)
		}
		old, err := tx.Enrolment(all[0].Tap)
		if err != nil || old.Current || string(old.Kept) != "less" {
			t.Errorf("superseded = %+v, %v, want it kept as what it was replaced with", old, err)
		}
		counted, err := tx.Counts()
		if counted.Enrolments != 2 {
			t.Errorf("%d enrolments, want 2 current ones", counted.Enrolments)
		}
		return err
	})
}

func TestRosterNumbers(t *testing.T) {
	h := newHome(t)
	number := func(site record.SiteID) (n uint64) {
		h.do(func(tx store.Tx) error {
			all, err := tx.RosterStates()
			for _, s := range all {
				if s.Site == site {
					n = s.Number
				}
			}
			return err
		})
		return n
	}
	for range 2 {
		h.do(func(tx store.Tx) error { return tx.ChangeRoster("a", record.TapID{ID128: record.ID128{1}}) })
	}
	if a, b := number("a"), number("b"); a != 2 || b != 0 {
		t.Errorf("numbers = %d and %d, want 2 and 0", a, b)
	}
	for _, k := range []struct {
		rules rule.Version
		want  uint64
	}{{rule.Version{CentralEpoch: 1, N: 1}, 3}, {rule.Version{CentralEpoch: 1, N: 1}, 3}, {rule.Version{CentralEpoch: 1, N: 2}, 4}, {rule.Version{CentralEpoch: 2, N: 2}, 5}} {
		h.do(func(tx store.Tx) error { return tx.RaiseRosters(k.rules) })
		if a, b := number("a"), number("b"); a != k.want || b != 0 {
			t.Errorf("numbers under rules %v = %d and %d, want %d and 0", k.rules, a, b, k.want)
		}
	}
	h.do(func(tx store.Tx) error {
		at, err := tx.BoxesAt(h.box.Site)
		none, errNone := tx.BoxesAt("nowhere")
		if len(at) != 1 || at[0] != h.box.ID || len(none) != 0 {
			t.Errorf("BoxesAt = %v and %v, want the one box and none", at, none)
		}
		return errors.Join(err, errNone)
	})
}

func TestRenewals(t *testing.T) {
	h := newHome(t)
	pair := store.Renewal{Old: []byte("old"), New: []byte("new"), Pair: []byte("sealed"), Learned: now}
	h.do(func(tx store.Tx) error { return tx.AddRenewal(pair) })
	h.taken("AddRenewal(old again)", func(tx store.Tx) error {
		return tx.AddRenewal(store.Renewal{Old: pair.Old, New: []byte("x"), Pair: []byte{}})
	})
	h.taken("AddRenewal(new again)", func(tx store.Tx) error {
		return tx.AddRenewal(store.Renewal{Old: []byte("x"), New: pair.New, Pair: []byte{}})
	})
	asked := store.Asked{Through: now.Add(-time.Hour), At: now}
	h.do(func(tx store.Tx) error {
		for name, find := range map[string]func() (store.Renewal, error){
			"RenewalOf": func() (store.Renewal, error) { return tx.RenewalOf(pair.Old) },
			"RenewalTo": func() (store.Renewal, error) { return tx.RenewalTo(pair.New) },
		} {
			if r, err := find(); err != nil || string(r.Pair) != "sealed" || string(r.Old) != "old" || string(r.New) != "new" || !r.Learned.Equal(now) {
				t.Errorf("%s = %+v, %v, want the pair", name, r, err)
			}
		}
		if _, err := tx.RenewalOf(pair.New); !errors.Is(err, store.ErrNone) {
			t.Errorf("RenewalOf(the newest) = %v, want ErrNone", err)
		}
		if a, err := tx.RenewalsAsked(); err != nil || a != (store.Asked{}) {
			t.Errorf("RenewalsAsked = %+v, %v, want never", a, err)
		}
		if err := tx.SetRenewalsAsked(asked); err != nil {
			return err
		}
		a, err := tx.RenewalsAsked()
		if !a.Through.Equal(asked.Through) || !a.At.Equal(asked.At) {
			t.Errorf("RenewalsAsked = %+v, want %+v", a, asked)
		}
		return err
	})
	two := store.Conflict{Row: 1, Kind: store.ConflictTwo, Verifier: "kiyose", Person: 1, Other: 2, At: now}
	h.do(func(tx store.Tx) error {
		for _, want := range []bool{true, false} {
			if news, err := tx.AddConflict(two); err != nil || news != want {
				t.Errorf("AddConflict = %v, %v, want news: %v", news, err, want)
			}
		}
		all, err := tx.Conflicts(10)
		if len(all) != 1 || all[0] != two {
			t.Errorf("Conflicts = %+v, want the one", all)
		}
		vs, errV := tx.Verifiers()
		if len(vs) != 2 || vs[0] != "iruma" || vs[1] != "kiyose" {
			t.Errorf("Verifiers = %v, want both in order", vs)
		}
		n, errN := tx.Counts()
		if n.Renewals != 1 || n.Conflicts != 1 {
			t.Errorf("counts = %+v, want a renewal and a conflict", n)
		}
		return errors.Join(err, errV, errN)
	})
}

func TestAnEnvelopeWaitsForATap(t *testing.T) {
	h := newHome(t)
	tap, other := record.TapID{ID128: record.ID128{7}}, record.TapID{ID128: record.ID128{8}}
	due := func() (at time.Time) {
		h.do(func(tx store.Tx) (err error) { at, err = tx.NextReady(); return err })
		return at
	}
	h.do(func(tx store.Tx) error {
		err := tx.AddEnvelope(store.Envelope{
			ID: record.ID{Epoch: record.EpochID{ID128: record.ID128{1}}, Seq: 1}, Sum: epoch.Hash{1}, Bytes: []byte{1}, Received: now,
			State: store.EnvelopeReady,
		})
		return errors.Join(err, tx.Await(1, tap.ID128[:], now.Add(time.Hour), 1))
	})
	for _, k := range []struct {
		tap  record.TapID
		n    int64
		want time.Time
	}{{other, 0, now.Add(time.Hour)}, {tap, 1, time.UnixMilli(0)}, {tap, 0, time.UnixMilli(0)}} {
		h.do(func(tx store.Tx) error {
			n, err := tx.Awaken(k.tap.ID128[:])
			if n != k.n {
				t.Errorf("Awaken = %d, want %d", n, k.n)
			}
			return err
		})
		if got := due(); !got.Equal(k.want) {
			t.Errorf("due %s, want %s", got, k.want)
		}
	}
	h.do(func(tx store.Tx) error {
		return errors.Join(tx.Await(1, tap.ID128[:], now.Add(time.Hour), 1), tx.Postpone(1, now.Add(time.Minute), 2))
	})
	h.do(func(tx store.Tx) error {
		if n, err := tx.Awaken(tap.ID128[:]); err != nil || n != 0 {
			t.Errorf("Awaken after Postpone = %d, %v, want 0: it waits for nobody any more", n, err)
		}
		return nil
	})
}

// A database with other tables is not damaged: it is refused as what it is, and not touched.
func TestOpenRefusesAnotherRelease(t *testing.T) {
	for _, version := range []string{"8", "10"} {
		dir := t.TempDir()
		path := filepath.Join(dir, sqlite.FileDatabase)
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec("PRAGMA user_version = " + version)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), dir, now); !errors.Is(err, store.ErrRelease) || errors.Is(err, store.ErrDamaged) {
			t.Errorf("Open(version %s) = %v, want ErrRelease", version, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("the file was changed (%v)", err)
		}
	}
}

// What leads to a person who was merged leads to the other, and of conflicts with third persons each stays once.
func TestMergePerson(t *testing.T) {
	h := newHome(t)
	h.do(func(tx store.Tx) error {
		third, err := tx.AddPerson(store.Person{Verifier: "kiyose", Index: []byte("third"), Handle: []byte("h"), Made: now})
		errs := []error{err, tx.LinkSerial([]byte("s"), store.SerialLink{Person: 2, Way: store.WayEnrolled})}
		for _, c := range []store.Conflict{
			{Kind: store.ConflictTwo, Person: 1, Other: 2}, {Kind: store.ConflictBirth, Person: 2, Other: third}, {Kind: store.ConflictTwo, Person: 1, Other: third},
		} {
			_, err := tx.AddConflict(c)
			errs = append(errs, err)
		}
		if parted, err := tx.Parted(third, 2); !parted || err != nil {
			t.Errorf("Parted = %v, %v, want true either way round", parted, err)
		}
		if parted, err := tx.Parted(1, 2); parted || err != nil {
			t.Errorf("Parted(two who are one) = %v, %v, want false", parted, err)
		}
		errs = append(errs, tx.MergePerson(2, 1, now))
		if l, err := tx.LinkOf([]byte("s")); err != nil || l != (store.SerialLink{Person: 1, Way: store.WayShown}) {
			t.Errorf("LinkOf = %+v, %v, want the person who stays", l, err)
		}
		if p, err := tx.Person(2); err != nil || p.Merged != 1 {
			t.Errorf("Person(2) = merged into %d, %v, want 1", p.Merged, err)
		}
		all, err := tx.Conflicts(10)
		if len(all) != 1 || all[0].Person != 1 || all[0].Other != third {
			t.Errorf("Conflicts = %+v, want the one with the third person", all)
		}
		return errors.Join(append(errs, err)...)
	})
}
