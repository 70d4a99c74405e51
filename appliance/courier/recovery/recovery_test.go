package recovery_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/courier/recovery"
	"kazashi.example/appliance/journal"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dying is a box of which the disk alone will be left.
type dying struct {
	t       testing.TB
	id      record.BoxID
	device  *ecdsa.PrivateKey
	central seal.PrivateKey
	dir     string
	n       int
}

func newDying(t testing.TB) *dying {
	t.Helper()
	d := &dying{t: t, id: record.NewBoxID(), dir: t.TempDir()}
	var err error
	d.device, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	d.central, err = seal.GenerateKey()
	must(t, err)
	return d
}

// live records n taps in one epoch, and returns the disk as it is at that moment: nothing was closed.
func (d *dying) live(n int) (disk string) {
	d.t.Helper()
	j, err := journal.Open(context.Background(), filepath.Join(d.dir, "journal.db"), journal.Options{
		Device: d.device, Box: d.id, Fresh: d.n == 0, Recipient: func() (seal.PublicKey, error) { return d.central.Public(), nil },
	})
	must(d.t, err)
	var desks errgroup.Group
	desks.SetLimit(32) // taps that come together share a commit
	for range n {
		d.n++
		content := fmt.Appendf(nil, "made-up content %d", d.n)
		desks.Go(func() error {
			_, err := j.Append(context.Background(), content, journal.Clear{
				Tap: record.NewTapID(), Time: time.UnixMilli(1), Desk: "desk-1", Service: "kiyose.library",
				Verdict: record.VerdictProvisional, Reason: record.ReasonListOld, Code: "2K7M",
			})
			return err
		})
	}
	must(d.t, desks.Wait())
	disk = d.t.TempDir()
	must(d.t, os.CopyFS(disk, os.DirFS(d.dir)))
	must(d.t, j.Close())
	return disk
}

// contents reads every recovered parcel on a stick as central does, and counts how often each record came.
func (d *dying) contents(stick string) map[string]int {
	d.t.Helper()
	public, err := sign.PublicKeyOf(d.device.Public())
	must(d.t, err)
	s, err := courier.Find(stick)
	must(d.t, err)
	defer s.Close()
	names, err := s.Parcels(courier.Recovered, d.id)
	must(d.t, err)
	came := map[string]int{}
	for _, n := range names {
		p, err := s.Open(n)
		must(d.t, err)
		for part, err := range p.Parts() {
			must(d.t, err)
			r, err := part.Run()
			must(d.t, err)
			head, _, err := epoch.OpenHeader(sign.One{Key: public}, r.Header)
			must(d.t, err)
			o, err := epoch.NewOpener(head.Header, d.central)
			must(d.t, err)
			envelopes, err := r.Envelopes()
			must(d.t, err)
			for _, b := range envelopes {
				e, err := epoch.DecodeEnvelope(b)
				must(d.t, err)
				plain, err := o.Open(e)
				must(d.t, err)
				came[string(plain)]++
			}
		}
		must(d.t, p.Close())
	}
	return came
}

func (d *dying) wantAll(t *testing.T, stick string, n int) {
	t.Helper()
	want := map[string]int{}
	for i := range n {
		want[fmt.Sprintf("made-up content %d", i+1)] = 1
	}
	if got := d.contents(stick); !maps.Equal(got, want) {
		t.Errorf("%d records came, want each of %d once", len(got), n)
	}
}

// snapshot is every file of a folder, and when it was written.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		must(t, err)
		b, err := os.ReadFile(path)
		must(t, err)
		all[path] = fmt.Sprint(info.ModTime(), len(b), string(b))
		return nil
	}))
	return all
}

// P2: what a dead box had and nobody else comes from its disk, also what is in the write-ahead log alone; nothing there is changed, and no key
// is asked for.
func TestP2RecordsOfADeadBox(t *testing.T) {
	d := newDying(t)
	d.live(300)
	disk := d.live(400)
	before := snapshot(t, disk)
	stick := t.TempDir()
	r, err := recovery.Recover(t.Context(), disk, stick, nil)
	if err != nil || r.Records != 700 || r.Box != d.id || len(r.Parcels) != 1 || len(r.Journals) != 1 || r.Journals[0].Damaged() != 0 {
		t.Errorf("Recover = %+v, %v", r, err)
	}
	d.wantAll(t, stick, 700)
	if !maps.Equal(snapshot(t, disk), before) {
		t.Error("the dead box's disk was written to")
	}
	again, err := recovery.Recover(t.Context(), disk, stick, nil)
	if err != nil || again.Records != 0 || again.Known != 700 || len(again.Parcels) != 0 {
		t.Errorf("Recover(again) = %+v, %v, want nothing new", again, err)
	}
	d.wantAll(t, stick, 700)
}

// P2: a journal that was set aside is read as well, and what is in both comes once.
func TestP2JournalsThatWereSetAside(t *testing.T) {
	d := newDying(t)
	disk := d.live(50)
	for _, tail := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(disk, "journal.db"+tail))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(disk, "journal.db.set-aside-20261122T000000Z"+tail), b, 0o600))
	}
	stick := t.TempDir()
	r, err := recovery.Recover(t.Context(), disk, stick, nil)
	if err != nil || r.Records != 50 || len(r.Journals) != 2 {
		t.Errorf("Recover = %+v, %v", r, err)
	}
	d.wantAll(t, stick, 50)
}

// P2: a page that was overwritten costs what stood on it, and the report says so.
func TestP2ADamagedPageCostsWhatStoodOnIt(t *testing.T) {
	d := newDying(t)
	d.live(900) // closed: all of it is in the database
	disk := t.TempDir()
	must(t, os.CopyFS(disk, os.DirFS(d.dir)))
	path := filepath.Join(disk, "journal.db")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	_, err = f.WriteAt(make([]byte, 4096), info.Size()/2/4096*4096)
	must(t, errors.Join(err, f.Close()))
	stick := t.TempDir()
	r, err := recovery.Recover(t.Context(), disk, stick, nil)
	must(t, err)
	lost := r.Journals[0].Damaged()
	if lost == 0 || lost > 30 || r.Records+lost != 900 {
		t.Errorf("%d records came and %d are said to be damaged, want 900 together", r.Records, lost)
	}
	if got := d.contents(stick); uint64(len(got)) != r.Records {
		t.Errorf("%d records are on the stick, want %d", len(got), r.Records)
	}
}

// A recovery that was cut short goes on with the next.
func TestARecoveryThatWasCutShort(t *testing.T) {
	d := newDying(t)
	disk := d.live(1100)
	stick := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := recovery.Recover(ctx, disk, stick, func(uint64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("Recover(cut short) = %v", err)
	}
	if _, err := recovery.Recover(t.Context(), disk, stick, nil); err != nil {
		t.Fatal(err)
	}
	d.wantAll(t, stick, 1100)
}

func TestRecoverRefuses(t *testing.T) {
	if _, err := recovery.Recover(t.Context(), t.TempDir(), t.TempDir(), nil); !errors.Is(err, recovery.ErrNoJournal) {
		t.Errorf("Recover(an empty folder) = %v, want ErrNoJournal", err)
	}
	if _, err := recovery.Recover(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir(), nil); !errors.Is(err, recovery.ErrNoJournal) {
		t.Errorf("Recover(no folder) = %v, want ErrNoJournal", err)
	}
	noise := t.TempDir()
	must(t, os.WriteFile(filepath.Join(noise, "journal.db"), make([]byte, 1<<20), 0o600))
	r, err := recovery.Recover(t.Context(), noise, t.TempDir(), nil)
	if err != nil || r.Records != 0 || !r.Box.IsZero() || len(r.Parcels) != 0 {
		t.Errorf("Recover(noise) = %+v, %v, want nothing", r, err)
	}
	link := t.TempDir()
	must(t, os.Symlink(filepath.Join(noise, "journal.db"), filepath.Join(link, "journal.db")))
	if r, err := recovery.Recover(t.Context(), link, t.TempDir(), nil); err != nil || r.Journals[0].Err == nil {
		t.Errorf("Recover(a link) = %+v, %v, want it refused", r, err)
	}
}
