package backup_test

import (
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// P2, design §5.6: who renewed after the backup keeps person, pseudonym and place on the roster, since central asks for renewals before it
// settles what boxes send again.
func TestRule6ARenewedPersonSurvivesARestore(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	dir := t.TempDir()
	c := simcentral.Open(t, dir, k, w, nil)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	settle := func(tap record.TapID) string {
		c.Push(box, box.Push())
		c.Drain()
		return c.PPID(box, tap)
	}
	enrolled := simbox.Known(t, 0x61, 1).Enrol(t, box.ID)
	e.Tap(t, enrolled)
	want := settle(enrolled.Tap)
	_, err := c.Keeper.Make(t.Context(), "before")
	c.Check(err)
	renew := func() {
		c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
			_, err := c.People.Renew(tx, person.Renewal{Old: cert(t, 0x61, 1), New: cert(t, 0x61, 2)}, w.Now())
			return err
		}))
	}
	renew()
	pin := simbox.Known(t, 0x61, 1).Renewed(t, 0x61, 2).PIN(t, box.ID)
	e.Tap(t, pin)
	if got := settle(pin.Tap); got != want || got == "" {
		t.Fatalf("PPID after the renewal = %q, want %q", got, want)
	}
	was := c.Roster(box)

	c.Check(c.DB.Close())
	w.Pass(time.Hour)
	_, err = backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, "before.json"), w.Now())
	c.Check(err)
	c = simcentral.Open(t, dir, k, w, nil)
	defer func() { c.Check(c.DB.Close()) }()
	renew()
	if got := settle(pin.Tap); got != want {
		t.Errorf("PPID after the restore = %q, want %q", got, want)
	}
	now := c.Roster(box)
	if now.Version.Compare(was.Version) <= 0 || len(now.Entries) != 1 || !now.Entries[0].Renewed {
		t.Errorf("roster %v of %d, was %v; want a later one of one renewed person", now.Version, len(now.Entries), was.Version)
	}
	if n := c.Counts(); n.Persons != 1 || n.Conflicts != 0 {
		t.Errorf("counts = %+v, want one person", n)
	}
}

func cert(t *testing.T, serial ...byte) certid.CertID {
	t.Helper()
	s, err := certid.ParseSerial(serial)
	if err != nil {
		t.Fatal(err)
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}
