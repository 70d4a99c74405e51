package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

func taps(t *testing.T, e *simbox.Epoch, from, n int) (ids []record.TapID) {
	t.Helper()
	for i := range n {
		r := simbox.Known(t, 0x11, byte(from+i)).PIN(t, e.Signed.Header.Box)
		ids = append(ids, r.Tap)
		e.Tap(t, r)
	}
	return ids
}

// P2, design §5.5: a record is safe only inside a named backup, and its PPID leaves only then.
func TestRule5SafeOnlyInsideANamedBackup(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	early := taps(t, e, 0, 3)
	c.Push(box, e.Push())
	c.Drain()
	ask := wire.Poll{Epochs: []record.EpochID{e.Signed.Header.Epoch}, Subjects: early}
	got, a, _ := c.Poll(box, ask)
	if len(a.Ranges) != 1 || a.Ranges[0].Level != ack.Received || len(got.Subjects) != 0 {
		t.Fatalf("before: ranges %v and %d PPIDs, want received and none", a.Ranges, len(got.Subjects))
	}
	m, err := c.Keeper.Make(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	if m.Marks.Envelope != 3 || m.Octets == 0 {
		t.Errorf("manifest = %+v, want 3 envelopes", m)
	}
	late := taps(t, e, 10, 2)
	c.Push(box, e.Push())
	c.Drain()
	ask.Subjects = append(ask.Subjects, late...)
	got, a, _ = c.Poll(box, ask)
	if len(a.Ranges) != 2 || a.Ranges[0].Level != ack.Safe || a.Ranges[0].Last != 3 || a.Ranges[1].Level != ack.Received {
		t.Errorf("after: ranges = %v, want 1..3 safe and 4..5 received", a.Ranges)
	}
	if len(got.Subjects) != 3 {
		t.Errorf("after: %d PPIDs, want the 3 that are safe", len(got.Subjects))
	}
	if _, err := c.Keeper.Make(t.Context(), "first"); !errors.Is(err, backup.ErrName) {
		t.Errorf("Make(taken name) = %v, want %v", err, backup.ErrName)
	}
}

// A header that is not in the backup leaves its records unsafe: without it they could not be opened.
func TestRule5SafeNeedsTheHeaderToo(t *testing.T) {
	c := simcentral.New(t)
	carrier, stranger := c.Box(), simbox.New(t, c.Keys.Seal.Public())
	e := stranger.Start(t, epoch.CauseStart)
	taps(t, e, 0, 2)
	c.Push(carrier, wire.Push{Envelopes: e.Push().Envelopes})
	if _, err := c.Keeper.Make(t.Context(), "early"); err != nil {
		t.Fatal(err)
	}
	c.Register(stranger)
	c.Push(stranger, e.Push())
	_, a, _ := c.Poll(stranger, wire.Poll{Epochs: []record.EpochID{e.Signed.Header.Epoch}})
	if len(a.Ranges) != 1 || a.Ranges[0].Level != ack.Received {
		t.Errorf("ranges = %v, want received: the header came after the backup", a.Ranges)
	}
}

func TestAutoKeepsTheLastAndRestsWhenNothingIsNew(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	for i := range 4 {
		taps(t, e, i, 1)
		c.Push(box, e.Push())
		c.World.Pass(time.Second)
		m, err := c.Keeper.Auto(t.Context())
		if err != nil || m.Name == "" {
			t.Fatalf("Auto = %+v %v, want a backup", m, err)
		}
		if m, err := c.Keeper.Auto(t.Context()); err != nil || m.Name != "" {
			t.Fatalf("Auto = %+v %v, want none: nothing is new", m, err)
		}
	}
	all, err := backup.List(c.Keeper.Dir)
	if err != nil || len(all) != 2 {
		t.Errorf("List = %d backups %v, want the last 2", len(all), err)
	}
	left, err := filepath.Glob(filepath.Join(c.Keeper.Dir, "*"))
	if err != nil || len(left) != 4 {
		t.Errorf("files = %v, want two copies and two manifests", left)
	}
}

// P2, design §5.6: a restored central says what it has, boxes send the rest, and everybody keeps their PPID.
func TestRule6RestoredCentralIsCompleted(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	dir := t.TempDir()
	c := simcentral.Open(t, dir, k, w, nil)
	old, fresh := c.Box(), simbox.New(t, k.Seal.Public())
	e := old.Start(t, epoch.CauseStart)
	early := taps(t, e, 0, 3)
	c.Push(old, e.Push())
	c.Drain()
	if _, err := c.Keeper.Make(t.Context(), "monday"); err != nil {
		t.Fatal(err)
	}
	c.Register(fresh) // joins after the backup
	late := taps(t, e, 3, 4)
	f := fresh.Start(t, epoch.CauseStart)
	strange := taps(t, f, 3, 4) // the same people at another box
	c.Push(old, e.Push())
	c.Push(fresh, f.Push())
	c.Drain()
	before := ppids(c, old, append(early, late...))
	got, _, v := c.Poll(old, wire.Poll{})
	held := v.Version
	if _, err := backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, "monday.json"), w.Now()); !errors.Is(err, store.ErrBusy) {
		t.Fatalf("Restore beside a running server = %v, want %v", err, store.ErrBusy)
	}
	c.Check(c.DB.Close())
	w.Pass(time.Hour)
	r, err := backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, "monday.json"), w.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.CentralEpoch <= got.CentralEpoch || r.Aside == "" {
		t.Errorf("Restored = %+v, want an epoch beyond %d and the old database aside", r, got.CentralEpoch)
	}

	c = simcentral.Open(t, dir, k, w, nil)
	defer func() { c.Check(c.DB.Close()) }()
	_, a, v := c.Poll(old, wire.Poll{Verdicts: held, Epochs: []record.EpochID{e.Signed.Header.Epoch}})
	if len(a.Ranges) != 1 || a.Ranges[0].Last != 3 || a.Ranges[0].Level != ack.Safe {
		t.Fatalf("ranges = %v, want 1..3 safe: the rest must be sent again", a.Ranges)
	}
	if v.Version.Compare(held) <= 0 || v.After != 0 || len(v.Verdicts) != 3 {
		t.Errorf("verdicts = %+v, want the 3 of the backup under the new epoch", v)
	}
	if _, err := c.Line.Push(t.Context(), fresh.Public(t), f.Push()); err == nil {
		t.Error("a box that the restored central does not know was not told to join again")
	}
	c.Register(fresh)
	c.Push(fresh, f.Push()) // the other box comes first this time
	c.Push(old, e.Push())
	c.Drain()
	after := ppids(c, old, append(early, late...))
	for i := range before {
		if before[i] == "" || before[i] != after[i] {
			t.Errorf("PPID of tap %d = %q, was %q", i, after[i], before[i])
		}
	}
	for i, p := range ppids(c, fresh, strange) {
		if p != before[3+i] {
			t.Errorf("PPID of person %d at the other box = %q, want %q", i, p, before[3+i])
		}
	}
	if n := c.Counts(); n.Records != 11 || n.Persons != 7 {
		t.Errorf("counts = %+v, want 11 records of 7 people", n)
	}
}

// P2: what a box deleted as safe and an older backup does not hold is named as missing, until the newer backup is restored.
func TestP2AnOldBackupAfterPruningShowsItsGaps(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	dir := t.TempDir()
	c := simcentral.Open(t, dir, k, w, nil)
	box := c.Box()
	first := box.Start(t, epoch.CauseStart)
	taps(t, first, 0, 4)
	backUp := func(name string) {
		c.Push(box, box.Push())
		c.Drain()
		_, err := c.Keeper.Make(t.Context(), name)
		c.Check(err)
	}
	backUp("old")
	taps(t, first, 4, 3)
	second := box.Start(t, epoch.CauseRotation)
	taps(t, second, 7, 2)
	third := box.Start(t, epoch.CauseRotation)
	taps(t, third, 9, 5)
	backUp("new")
	restore := func(name string) {
		c.Check(c.DB.Close())
		w.Pass(time.Hour)
		_, err := backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, name+".json"), w.Now())
		c.Check(err)
		c = simcentral.Open(t, dir, k, w, nil)
	}
	restore("old")
	defer func() { c.Check(c.DB.Close()) }()
	if got := gaps(c, box); len(got) != 0 {
		t.Fatalf("Gaps = %v, want none: nothing is known yet beyond the backup", got)
	}
	left := third.Push() // all that the box kept: its newest epoch without what was told to be safe
	left.Envelopes = left.Envelopes[3:]
	c.Push(box, left)
	c.Drain()
	one, two, three := first.Signed.Header.Epoch, second.Signed.Header.Epoch, third.Signed.Header.Epoch
	want := []registry.Gap{{Epoch: two, HeaderMissing: true}, {Epoch: two, First: 1, Last: 2}, {Epoch: three, First: 1, Last: 3}}
	if got := gaps(c, box); !slices.Equal(got, want) {
		t.Errorf("Gaps = %v, want %v", got, want)
	}
	c.Push(box, second.Push()) // it was on another box's disk as well
	c.Drain()
	want = []registry.Gap{{Epoch: one, First: 5, Last: 7}, {Epoch: three, First: 1, Last: 3}}
	if got := gaps(c, box); !slices.Equal(got, want) || c.Counts().Gaps != 2 {
		t.Errorf("Gaps = %v in %d epochs, want %v in 2", got, c.Counts().Gaps, want)
	}
	if s := c.State(box); s != store.BoxActive {
		t.Errorf("state = %s, want active: a gap is nobody's fault", s)
	}
	restore("new")
	c.Push(box, left)
	if got := gaps(c, box); len(got) != 0 {
		t.Errorf("Gaps = %v after the newer backup, want none", got)
	}
}

func gaps(c *simcentral.Central, b *simbox.Box) []registry.Gap {
	c.TB.Helper()
	all, err := c.Boxes.Gaps(c.TB.Context(), b.ID)
	c.Check(err)
	return all
}

func ppids(c *simcentral.Central, b *simbox.Box, taps []record.TapID) (all []string) {
	for _, t := range taps {
		all = append(all, c.PPID(b, t))
	}
	return all
}

// Every damage is refused before anything is changed, and an interrupted restore keeps the server from starting.
func TestRestoreRefusesDamage(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	dir := t.TempDir()
	c := simcentral.Open(t, dir, k, w, nil)
	box := c.Box()
	taps(t, box.Start(t, epoch.CauseStart), 0, 20)
	c.Push(box, box.Push())
	if _, err := c.Keeper.Make(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	c.Check(c.DB.Close())
	copyOf := filepath.Join(c.Keeper.Dir, "good.db")
	good, err := os.ReadFile(copyOf)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"cut": good[:len(good)/2], "one bit": flipped, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(copyOf, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, "good.json"), w.Now()); !errors.Is(err, backup.ErrBackup) {
				t.Errorf("Restore = %v, want %v", err, backup.ErrBackup)
			}
		})
	}
	again := simcentral.Open(t, dir, k, w, nil)
	if n := again.Counts(); n.Ready != 20 {
		t.Errorf("counts = %+v, want the old database untouched", n)
	}
	c.Check(again.DB.Close())
	if err := os.WriteFile(copyOf, good, 0o600); err != nil {
		t.Fatal(err)
	}
	interrupted(t, c, k, w)
}

// interrupted leaves what a crash in the middle of the exchange leaves, and completes it.
func interrupted(t *testing.T, c *simcentral.Central, k *simcentral.Keys, w *simcentral.World) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, "central.restoring"), []byte("good\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.Dir, "central.db"), filepath.Join(c.Dir, "moved.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), c.Dir, w.Now()); !errors.Is(err, store.ErrRestoring) {
		t.Fatalf("Open = %v, want %v", err, store.ErrRestoring)
	}
	if _, err := backup.Restore(t.Context(), c.Dir, filepath.Join(c.Keeper.Dir, "good.json"), w.Now()); err != nil {
		t.Fatal(err)
	}
	again := simcentral.Open(t, c.Dir, k, w, nil)
	if n := again.Counts(); n.Ready != 20 {
		t.Errorf("counts = %+v, want what was in the backup", n)
	}
	c.Check(again.DB.Close())
}

// full stands for a disk that takes no more in the middle of a copy.
type full struct{ backup.Database }

var errFull = errors.New("the disk of the test is full")

func (full) Copy(_ context.Context, path string) error {
	return errors.Join(os.WriteFile(path, make([]byte, 1<<16), 0o600), errFull)
}

// P2: automatic backups that fail, each under a name of its own, must not fill the disk that intake needs.
func TestFailedBackupsLeaveNothing(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	taps(t, box.Start(t, epoch.CauseStart), 0, 2)
	c.Push(box, box.Push())
	conf := c.Keeper.Config
	conf.Database = full{c.DB}
	keeper := backup.New(conf)
	for range 3 {
		c.World.Pass(time.Minute)
		if _, err := keeper.Auto(t.Context()); !errors.Is(err, errFull) {
			t.Fatalf("Auto = %v, want %v", err, errFull)
		}
	}
	if left, err := os.ReadDir(conf.Dir); err != nil || len(left) != 0 {
		t.Errorf("files = %v %v, want none", left, err)
	}
}

// A kill leaves unfinished files under names that no later run uses; a named copy is the operator's.
func TestTheNextBackupClearsAwayWhatAKillLeft(t *testing.T) {
	c := simcentral.New(t)
	if err := os.MkdirAll(c.Keeper.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"auto-1.db.part", "auto-1.db.part-journal", "auto-2.db", "monday.db", "monday.db.part"} {
		if err := os.WriteFile(filepath.Join(c.Keeper.Dir, name), []byte("cut short"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Keeper.Make(t.Context(), "tuesday"); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(c.Keeper.Dir, "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if want := []string{"monday.db", "tuesday.db", "tuesday.json"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("files = %v %v, want %v", left, err, want)
	}
}

// P2: what a newer backup made safe may be nowhere else. Whoever restores an older one is told, whatever else lies in the folder.
func TestRestoreTellsOfNewerBackups(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	c := simcentral.Open(t, t.TempDir(), k, w, nil)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	for i, name := range []string{"monday", "tuesday", "wednesday"} {
		taps(t, e, i, 1)
		c.Push(box, e.Push())
		w.Pass(time.Minute)
		if _, err := c.Keeper.Make(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	c.Check(c.DB.Close())
	if err := os.WriteFile(filepath.Join(c.Keeper.Dir, "notes.json"), []byte("no manifest"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		name string
		want []string
	}{{"monday", []string{"tuesday", "wednesday"}}, {"wednesday", nil}} {
		r, err := backup.Restore(t.Context(), c.Dir, filepath.Join(c.Keeper.Dir, try.name+".json"), w.Now())
		if err != nil || !slices.Equal(r.Newer, try.want) {
			t.Errorf("Restore(%s) tells of %v, %v; want %v", try.name, r.Newer, err, try.want)
		}
	}
}
