//go:build integration

package crash_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/courier"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/admin"
	"kazashi.example/central/lab/crash"
	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/lab/proof/rig"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

func init() {
	children["export"] = func(dir string) error {
		return inCourier(dir, func(ctx context.Context, p parts) error {
			sum, err := p.way.Export(ctx, filepath.Join(dir, "stick"), nil)
			if err == nil {
				fmt.Println("exported", sum.Records)
			}
			return err
		})
	}
	children["import"] = func(dir string) error {
		return inCourier(dir, func(ctx context.Context, p parts) error {
			sum, err := p.way.Import(ctx, filepath.Join(dir, "stick"), nil)
			if err == nil {
				fmt.Println("imported", sum.Safe)
			}
			return errors.Join(err, refusedBy(sum))
		})
	}
}

func refusedBy(sum courier.Summary) (err error) {
	for _, r := range sum.Refused {
		err = errors.Join(err, r.Err)
	}
	return err
}

// parts are those of a box that carry.
type parts struct {
	id      *vault.Identity
	journal *journal.Journal
	desired *desired.Store
	way     *courier.Courier
}

// alone stands for the line, which there is not, and for whoever watches.
type alone struct{}

var errNoLine = errors.New("there is no line")

func (alone) Push(context.Context, wire.Push) (wire.Pushed, error) { return wire.Pushed{}, errNoLine }

func (alone) Poll(context.Context, wire.Poll) (wire.Polled, error)         { return wire.Polled{}, errNoLine }
func (alone) Close()                                                       {}
func (alone) LineChanged(context.Context, bool)                            {}
func (alone) Settled(context.Context, []wire.Verdict)                      {}
func (alone) Named(context.Context, []wire.Subject)                        {}
func (alone) Changed(context.Context)                                      {}
func (alone) Check(time.Time)                                              {}
func (alone) Learn(time.Time)                                              {}
func (alone) Order(context.Context, order.Order) (erasure []byte, _ error) { return nil, nil }

// inCourier opens the parts of the box in a folder, and closes them.
func inCourier(dir string, do func(context.Context, parts) error) error {
	return inCourierAt(dir, time.Now, do)
}

// inCourierAt is inCourier by another clock.
func inCourierAt(dir string, now func() time.Time, do func(context.Context, parts) error) (err error) {
	ctx, quiet, dir := context.Background(), slog.New(slog.DiscardHandler), filepath.Join(dir, "box")
	var p parts
	if p.id, err = vault.Open(dir, vault.Options{}); err != nil {
		return err
	}
	if p.desired, err = desired.Open(ctx, dir, quiet); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.desired.Close()) }()
	p.journal, err = openJournal(ctx, filepath.Join(dir, "journal.db"), journal.Options{
		Device: p.id.Device, Box: p.id.Box, Recipient: func() (seal.PublicKey, error) { return p.desired.Trust().SealKey() },
		Stretch: func() string { return "the only one" }, Room: journal.Room{Low: 2 << 20, Stop: 1 << 20, Reserve: 64 << 10},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.journal.Close()) }()
	keys := func() sign.Keys { return p.desired.Trust() }
	lists, err := revocation.Open(ctx, revocation.Config{Dir: filepath.Join(dir, "lists"), Keys: keys})
	if err != nil {
		return err
	}
	defer lists.Close()
	book, err := orders.Open(ctx, dir, p.id.Box, alone{}, quiet)
	if err != nil {
		return err
	}
	l := link.New(link.Config{
		Client: alone{}, Journal: p.journal, Desired: p.desired, Sets: lists, Orders: book, Watch: alone{}, Clock: alone{}, Now: now,
		Release: "v0.0.0-crash", Log: quiet,
	})
	p.way, err = courier.New(courier.Config{
		Dir: dir, Box: p.id.Box, Device: p.id.Device, Sealing: p.id.Sealing, Trust: keys, Now: now, Journal: p.journal, Link: l,
	})
	if err != nil {
		return err
	}
	return do(ctx, p)
}

// voyage is a box's way by stick, in folders that were copied at each station when nothing ran: "waiting" and "exported" hold box and stick,
// "answered" as well, "before" and "after" are central.
type voyage struct{ dir string }

// onTheWay is made once, by the test that needs it first.
var onTheWay struct {
	sync.Mutex // guards voyage

	voyage
}

// waits is how many records wait on the box of a voyage, and carry how many verdicts its central has on them.
const waits = 3

// theVoyage plays a box and a central in one process: an enrolment by line, taps without one, and a stick there and back.
func theVoyage(t *testing.T) voyage {
	t.Helper()
	onTheWay.Lock()
	defer onTheWay.Unlock()
	if onTheWay.dir != "" {
		return onTheWay.voyage
	}
	dir, err := os.MkdirTemp("/dev/shm", "kazashi-crash-voyage-") //nolint:usetesting // it outlives the first test; removed at the end of all
	must(t, err)
	atLast = append(atLast, func() { _ = os.RemoveAll(dir) }, func() { _ = rig.RemoveWorld() })
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := r.Box("b")
	b.Start()
	b.Ready()
	b.Enrol("hanako", false)
	b.Synced()
	r.EachOnce()
	b.Settled()
	b.Line.Cut()
	for _, who := range []string{"hanako", "goro", "hanako"} {
		b.Tap(who)
	}
	b.Stop()
	stick := filepath.Join(dir, "stick")
	must(t, os.Mkdir(stick, 0o700))
	keep := func(station string) {
		must(t, rig.CopyDir(b.Dir, filepath.Join(dir, station, "box")))
		must(t, rig.CopyDir(stick, filepath.Join(dir, station, "stick")))
	}
	central := func(station string) {
		r.Central.Stop()
		must(t, rig.CopyDir(r.Central.Dir, filepath.Join(dir, station)))
		r.Central.Start()
	}
	keep("waiting")
	central("before")
	onBox := filepath.Join(dir, "on")
	must(t, rig.CopyDir(b.Dir, filepath.Join(onBox, "box")))
	must(t, os.Mkdir(filepath.Join(onBox, "stick"), 0o700))
	must(t, children["export"](onBox))
	must(t, os.Rename(filepath.Join(onBox, "box"), filepath.Join(dir, "own")))
	must(t, rig.CopyDir(filepath.Join(onBox, "stick"), stick))
	configure(t, r, dir)
	b.Dir = filepath.Join(dir, "own")
	keep("exported")
	replaced(t, r, b.ID, dir)
	takeParcels(t, r.Central.Operator(), stick)
	r.EachOnce()
	r.Central.Backup("carried")
	giveParcels(t, r.Central.Operator(), stick, b.ID)
	keep("answered")
	central("after")
	onTheWay.voyage = voyage{dir}
	return onTheWay.voyage
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// parcels lists a kind's files on a stick, by box.
func parcels(dir string, k parcel.Kind) (all []parcel.Name, err error) {
	s, err := parcel.Find(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	boxes, err := s.Boxes(k)
	if err != nil {
		return nil, err
	}
	for _, b := range boxes {
		names, err := s.Parcels(k, b)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// takeParcels has central take what boxes wrote.
func takeParcels(t *testing.T, client *admin.Client, stick string) {
	t.Helper()
	names, err := parcels(stick, parcel.Up)
	must(t, err)
	for _, n := range names {
		must(t, takeOne(t.Context(), client, filepath.Join(stick, n.String())))
	}
}

func takeOne(ctx context.Context, client *admin.Client, path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := client.TakeParcel(ctx, f, info.Size())
	if err == nil && len(p.Refused) > 0 {
		err = fmt.Errorf("central refused %v", p.Refused) //nolint:err113 // a sentence for people
	}
	return err
}

// giveParcels has central write what a box lacks.
func giveParcels(t *testing.T, client *admin.Client, stick string, box record.BoxID) {
	t.Helper()
	s, err := parcel.Make(stick)
	must(t, err)
	defer s.Close()
	ctx := t.Context()
	_, err = client.GiveParcels(ctx, box, admin.ParcelTakers{
		Plan: func(p admin.ParcelPlan) error {
			for _, b := range p.Blobs {
				var id wire.BlobID
				if _, err := hex.Decode(id[:], []byte(b.ID)); err != nil {
					return err
				}
				_, err := s.PutBlob(ctx, wire.Blob{ID: id, Size: b.Size}, func() (io.ReadCloser, error) {
					body, _, err := client.Blob(ctx, id)
					return body, err
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
		Parcel: func(n uint64, octets io.Reader, _ int64) error {
			return s.Put(ctx, parcel.Name{Kind: parcel.Down, Box: box, N: n}, octets)
		},
	})
	must(t, err)
}

// invariants holds a box against a central.
func invariants(box, central string) (invariant.Report, error) {
	r, err := invariant.CheckAll(context.Background(), invariant.Places{Boxes: []invariant.Box{{Dir: box}}, Central: central})
	return r, errors.Join(err, r.Err())
}

// before fills a scenario's folder with a station of the voyage.
func (j voyage) before(station string) func(string) error {
	return func(dir string) error { return rig.CopyDir(filepath.Join(j.dir, station), dir) }
}

// onStick wants every parcel of a kind to be whole and signed, and tells how many records they carry, once each.
func onStick(dir string, id *vault.Identity) (records int, err error) {
	names, err := parcels(filepath.Join(dir, "stick"), parcel.Up)
	if errors.Is(err, parcel.ErrNotStick) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	public, err := sign.PublicKeyOf(id.Device.Public())
	if err != nil {
		return 0, err
	}
	seen := map[record.ID]bool{}
	for _, n := range names {
		if err := readThrough(filepath.Join(dir, "stick", n.String()), sign.One{Key: public}, seen); err != nil {
			return 0, fmt.Errorf("%s: %w", n, err)
		}
	}
	return len(seen), nil
}

var errTwice = errors.New("a record is carried twice")

func readThrough(path string, keys sign.Keys, seen map[record.ID]bool) (err error) {
	p, err := parcel.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.Verify(keys); err != nil {
		return err
	}
	for part, err := range p.Parts() {
		if err != nil {
			return err
		}
		if part.Type != parcel.TypeRun {
			continue
		}
		run, err := part.Run()
		if err != nil {
			return err
		}
		e, err := run.Epoch()
		if err != nil {
			return err
		}
		for seq := run.First; seq <= run.Last(); seq++ {
			id := record.ID{Epoch: e.Header.Epoch, Seq: seq}
			if seen[id] {
				return errTwice
			}
			seen[id] = true
		}
	}
	return nil
}

// numbersRise wants the next parcel, on another stick and by a clock that stands still, to have a number above all that were ever given away.
func numbersRise(dir string) error {
	first, err := parcels(filepath.Join(dir, "stick"), parcel.Up)
	if errors.Is(err, parcel.ErrNotStick) {
		return nil
	}
	if err != nil {
		return err
	}
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		return err
	}
	err = inCourierAt(dir, func() time.Time { return time.Unix(1, 0) }, func(ctx context.Context, p parts) error {
		_, err := p.way.Export(ctx, other, nil)
		return err
	})
	if err != nil {
		return err
	}
	second, err := parcels(other, parcel.Up)
	for _, a := range first {
		for _, b := range second {
			if b.N <= a.N {
				return fmt.Errorf("after parcel %d comes number %d: %w", a.N, b.N, errTwice)
			}
		}
	}
	return err
}

// P2: interrupted anywhere, an export leaves parcels that are whole, what was said to be on the stick is there, and the next export ends it.
func TestP2ExportIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	s := crash.Scenario{
		Name: "export to a stick", Before: j.before("waiting"), Child: again("export"), Ignore: []string{"*-shm", "*.reserve", "*.lock"},
		Check: func(st crash.State) error {
			box := filepath.Join(st.Dir, "box")
			if _, err := invariants(box, filepath.Join(j.dir, "before")); err != nil {
				return err
			}
			if err := numbersRise(st.Dir); err != nil {
				return err
			}
			err := inCourier(st.Dir, func(ctx context.Context, p parts) error {
				if n, err := onStick(st.Dir, p.id); err != nil || len(st.Said) > 0 && n != waits {
					return fmt.Errorf("%d records on the stick after %q: %w", n, st.Said, err)
				}
				if _, err := p.way.Export(ctx, filepath.Join(st.Dir, "stick"), nil); err != nil {
					return err
				}
				if n, err := onStick(st.Dir, p.id); err != nil || n != waits {
					return fmt.Errorf("%d records on the stick after another export: %w", n, err)
				}
				left, err := filepath.Glob(filepath.Join(st.Dir, "stick", "KAZASHI", "up", "*", "*.part"))
				if err != nil || len(left) > 0 {
					return fmt.Errorf("left on the stick: %q: %w", left, err)
				}
				return nil
			})
			if err != nil {
				return err
			}
			_, err = invariants(box, filepath.Join(j.dir, "before"))
			return err
		},
	}
	matrices(t, s)
}

// P2: interrupted anywhere, an import keeps what was said, takes no parcel off the stick that is not safe, and the same again ends it.
func TestP2ImportIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	s := crash.Scenario{
		Superfluous: map[string]string{
			"fsync box/desired.db-wal": walTwice, "fsync box/journal.db-wal": walTwice,
			"fsync dir box":                  "SQLite flushes the folder for each of two logs, and either covers both",
			"fsync dir stick/KAZASHI/up/*":   back,
			"fsync dir stick/KAZASHI/down/*": back,
		},
		Name: "import at the box", Before: j.before("answered"), Child: again("import"), Ignore: []string{"*-shm", "*.reserve", "*.lock"},
		Check: func(st crash.State) error {
			box, after := filepath.Join(st.Dir, "box"), filepath.Join(j.dir, "after")
			if _, err := invariants(box, after); err != nil {
				return err
			}
			err := inCourier(st.Dir, func(ctx context.Context, p parts) error {
				on, err := onStick(st.Dir, p.id)
				if err != nil {
					return err
				}
				unsafe, err := p.journal.Unsafe(ctx)
				if err != nil || unsafe > 0 && on != waits || len(st.Said) > 0 && unsafe > 0 {
					return fmt.Errorf("%d records are not safe, %d on the stick after %q: %w", unsafe, on, st.Said, err)
				}
				if len(st.Said) > 0 {
					if err := finals(ctx, p); err != nil {
						return err
					}
				}
				sum, err := p.way.Import(ctx, filepath.Join(st.Dir, "stick"), nil)
				if errors.Is(err, courier.ErrNothing) {
					err = nil // what was taken in is taken off
				}
				if err = errors.Join(err, refusedBy(sum)); err != nil {
					return err
				}
				if unsafe, err = p.journal.Unsafe(ctx); err != nil || unsafe > 0 {
					return fmt.Errorf("%d records are not safe after another import: %w", unsafe, err)
				}
				return finals(ctx, p)
			})
			if err != nil {
				return err
			}
			_, err = invariants(box, after)
			return err
		},
	}
	needed := matrices(t, s)
	for _, commit := range []string{"fsync box/desired.db-wal", "fsync box/journal.db-wal"} {
		if needed[commit] == 0 {
			t.Errorf("%s needs no %s", s.Name, commit)
		}
	}
}

// back is why the flush of a removal is of no use.
const back = "a parcel that comes back is taken off again by the next import"

// finals wants a final verdict on every record of the journal.
func finals(ctx context.Context, p parts) error {
	rows, err := p.journal.Taps(ctx, 100)
	if err != nil {
		return err
	}
	if len(rows) < waits {
		return fmt.Errorf("%w: %d taps are listed", crash.ErrTrace, len(rows))
	}
	for _, r := range rows {
		_, ok, err := p.desired.Final(ctx, r.ID)
		if err != nil || !ok {
			return fmt.Errorf("record %s has no final verdict: %w", r.ID, err)
		}
	}
	return nil
}
