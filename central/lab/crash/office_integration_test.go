//go:build integration

package crash_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appliance "kazashi.example/appliance/box"
	boxconfig "kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/admin"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
	"kazashi.example/central/lab/crash"
	"kazashi.example/central/lab/proof/rig"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

func init() {
	children["take"] = func(dir string) error {
		return inOffice(dir, func(ctx context.Context, d *daemon.Daemon) error { return takeStick(ctx, d, dir, parcel.Up, true) })
	}
	children["swap"] = func(dir string) error {
		return inOffice(dir, func(ctx context.Context, d *daemon.Daemon) error { return takeStick(ctx, d, dir, parcel.Joining, true) })
	}
	children["ask"] = func(dir string) error { return askToJoin(dir, true) }
	children["joined"] = func(dir string) error {
		_, err := appliance.TakeAnswer(context.Background(), spare(dir), filepath.Join(dir, "stick"))
		if err == nil {
			fmt.Println("joined")
		}
		return err
	}
}

// fileOffice is central's configuration in a scenario's folder, in which hereMark stands for that folder.
const (
	fileOffice = "central.toml"
	hereMark   = "@HERE@"
)

// configure keeps the configuration of a rig's central, and the files that it names.
func configure(t *testing.T, r *rig.Rig, dir string) {
	t.Helper()
	var text string
	_, err := r.Central.OpenWith(func(conf string) string { text = conf; return "no configuration" })
	if err == nil {
		t.Fatal("central opened without a configuration")
	}
	must(t, rig.CopyDir(r.World.Dir(), filepath.Join(dir, "world")))
	text = strings.ReplaceAll(text, r.World.Dir(), filepath.Join(dir, "world"))
	text = strings.ReplaceAll(text, r.Central.Dir, filepath.Join(hereMark, "central"))
	must(t, os.WriteFile(filepath.Join(dir, fileOffice), []byte(text), 0o600))
}

// inOffice opens central in a folder, without serving anybody.
func inOffice(dir string, do func(context.Context, *daemon.Daemon) error) (err error) {
	ctx := context.Background()
	text, err := os.ReadFile(filepath.Join(dir, fileOffice))
	if err != nil {
		return err
	}
	conf, err := config.Parse(bytes.ReplaceAll(text, []byte(hereMark), []byte(dir)))
	if err != nil {
		return err
	}
	d, err := daemon.Open(ctx, conf, "v0.0.0-crash", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(ctx, d)
}

// office fills a scenario's folder with a central and a stick.
func (j voyage) office(central, stick string) func(string) error {
	return func(dir string) error {
		text, err := os.ReadFile(filepath.Join(j.dir, fileOffice))
		return errors.Join(err, os.WriteFile(filepath.Join(dir, fileOffice), text, 0o600),
			rig.CopyDir(filepath.Join(j.dir, central), filepath.Join(dir, "central")),
			rig.CopyDir(filepath.Join(j.dir, stick), filepath.Join(dir, "stick")))
	}
}

var errTaken = errors.New("central did not take all of it")

// takeStick takes a kind of parcel from the stick, and says each when it was.
func takeStick(ctx context.Context, d *daemon.Daemon, dir string, kind parcel.Kind, say bool) error {
	names, err := parcels(filepath.Join(dir, "stick"), kind)
	if err != nil {
		return err
	}
	for _, n := range names {
		octets, err := os.ReadFile(filepath.Join(dir, "stick", n.String()))
		if err != nil {
			return err
		}
		p, err := d.TakeParcel(ctx, bytes.NewReader(octets), int64(len(octets)))
		if err != nil {
			return err
		}
		if len(p.Refused) > 0 || p.Held > 0 || kind == parcel.Joining && len(p.Answer) == 0 || kind == parcel.Up && p.New+p.Known != waits {
			return fmt.Errorf("%w: %+v", errTaken, p)
		}
		if say {
			fmt.Println("taken", p.Box)
		}
	}
	return nil
}

// commitsHere is the flush that makes a transaction of central's durable.
const commitsHere = "fsync central/central.db-wal"

// number is one number of central's database.
func number(dir, query string, args ...any) (n int, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "central", "central.db"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return n, db.QueryRowContext(context.Background(), query, args...).Scan(&n)
}

// stands counts what central has of a stick: ten for each record, one for the box's own word.
const stands = "SELECT (SELECT count(*) FROM envelopes) * 10 + (SELECT count(*) FROM courier_states)"

// P2: interrupted anywhere, what central said to have taken from a stick is there, and the same stick again does the rest and nothing twice.
func TestP2TakingAStickIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	carrier := filepath.Join(j.dir, "exported", "box")
	s := crash.Scenario{
		Name: "import at central", Before: j.office("before", filepath.Join("exported", "stick")), Child: again("take"), Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			central := filepath.Join(st.Dir, "central")
			if _, err := invariants(carrier, central); err != nil {
				return err
			}
			n, err := number(st.Dir, stands)
			if err != nil || len(st.Said) > 0 && n != (waits+1)*10+1 {
				return fmt.Errorf("%02d records and words after %q: %w", n, st.Said, err)
			}
			err = inOffice(st.Dir, func(ctx context.Context, d *daemon.Daemon) error { return takeStick(ctx, d, st.Dir, parcel.Up, false) })
			if err != nil {
				return err
			}
			if n, err = number(st.Dir, stands); err != nil || n != (waits+1)*10+1 {
				return fmt.Errorf("%02d records and words after the same again: %w", n, err)
			}
			_, err = invariants(carrier, central)
			return err
		},
	}
	losing(t, interrupted(t, s), commitsHere)
}

// replaced lets a spare ask to take a box's place, and keeps central and the stick before that is answered.
func replaced(t *testing.T, r *rig.Rig, dead record.BoxID, dir string) {
	t.Helper()
	code, err := r.Central.Operator().Swap(t.Context(), admin.Swap{Box: dead, Name: "the spare"})
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(dir, "spare", "stick"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "spare", "code"), []byte(code.Code), 0o600))
	must(t, askToJoin(filepath.Join(dir, "spare"), false))
	r.Central.Stop()
	must(t, rig.CopyDir(r.Central.Dir, filepath.Join(dir, "swapping")))
	r.Central.Start()
}

// spare is the configuration of a box that has not joined.
func spare(dir string) boxconfig.Config {
	return boxconfig.Config{DataDir: filepath.Join(dir, "box"), TPM: "none"}
}

// askToJoin writes a request to join to the stick, by the code that lies there.
func askToJoin(dir string, say bool) error {
	text, err := os.ReadFile(filepath.Join(dir, "code"))
	if err != nil {
		return err
	}
	code, err := wire.ParseJoinCode(string(text))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(spare(dir).DataDir, 0o700); err != nil {
		return err
	}
	joined := false
	err = patient(func() error {
		_, joined, err = appliance.JoinByStick(context.Background(), spare(dir), filepath.Join(dir, "stick"), code, "v0.0.0-crash")
		return err
	})
	if say && err == nil {
		fmt.Println("asked", joined)
	}
	return err
}

// P2: interrupted anywhere, a dead box is replaced and its spare is there, both or neither, and the records of the dead one are taken.
func TestP2SwapIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	carrier := filepath.Join(j.dir, "exported", "box")
	const swapped = "SELECT (SELECT count(*) FROM boxes WHERE state = 4) * 10 + (SELECT count(*) FROM boxes WHERE state = 1)"
	s := crash.Scenario{
		Name: "swap by stick", Before: j.office("swapping", filepath.Join("spare", "stick")), Child: again("swap"), Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			central := filepath.Join(st.Dir, "central")
			if _, err := invariants(carrier, central); err != nil {
				return err
			}
			n, err := number(st.Dir, swapped)
			if err != nil || n != 1 && n != 11 || len(st.Said) > 0 && n != 11 {
				return fmt.Errorf("replaced and active boxes are %02d after %q: %w", n, st.Said, err)
			}
			err = inOffice(st.Dir, func(ctx context.Context, d *daemon.Daemon) error {
				if err := takeStick(ctx, d, st.Dir, parcel.Joining, false); err != nil {
					return err
				}
				if err := rig.CopyDir(filepath.Join(j.dir, "exported", "stick"), filepath.Join(st.Dir, "stick")); err != nil {
					return err
				}
				return takeStick(ctx, d, st.Dir, parcel.Up, false)
			})
			if err != nil {
				return err
			}
			if n, err = number(st.Dir, swapped); err != nil || n != 11 {
				return fmt.Errorf("replaced and active boxes are %02d after the same again: %w", n, err)
			}
			_, err = invariants(carrier, central)
			return err
		},
	}
	losing(t, interrupted(t, s), commitsHere)
}

// requests wants one request to join at most, whole and of this box.
func requests(dir string) (n int, err error) {
	names, err := parcels(filepath.Join(dir, "stick"), parcel.Joining)
	if errors.Is(err, parcel.ErrNotStick) {
		return 0, nil
	}
	if err != nil || len(names) == 0 {
		return 0, err
	}
	id, err := vault.Open(spare(dir).DataDir, vault.Options{})
	if err != nil {
		return 0, err
	}
	if len(names) > 1 || names[0].Box != id.Box {
		return 0, fmt.Errorf("%w: requests %v of box %s", errTwice, names, id.Box)
	}
	p, err := parcel.Open(filepath.Join(dir, "stick", names[0].String()))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for part, err := range p.Parts() {
		if err != nil {
			return 0, err
		}
		q, err := part.JoinRequest()
		if err != nil || !bytes.Equal(q.Sealing, id.Sealing.Public().Bytes()) {
			return 0, errors.Join(err, errTwice)
		}
	}
	return 1, nil
}

// P2, P8: interrupted anywhere, a request to join by stick is there as it was said, by one identity, and the same again ends it.
func TestP2AskingToJoinIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	s := crash.Scenario{
		Name: "asking to join by stick", Child: again("ask"), Ignore: []string{"*.lock"},
		Before: func(dir string) error {
			text, err := os.ReadFile(filepath.Join(j.dir, "spare", "code"))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "code"), text, 0o600),
				os.Mkdir(filepath.Join(dir, "stick"), 0o700), os.Mkdir(spare(dir).DataDir, 0o700))
		},
		Check: func(st crash.State) error {
			n, err := requests(st.Dir)
			if err != nil || len(st.Said) > 0 && (n != 1 || !appliance.Asked(spare(st.Dir).DataDir)) {
				return fmt.Errorf("%d requests after %q: %w", n, st.Said, err)
			}
			if len(st.Said) > 0 { // the code is kept, and what it asked for
				_, err := appliance.TakeAnswer(context.Background(), spare(st.Dir), filepath.Join(st.Dir, "stick"))
				if !errors.Is(err, appliance.ErrNoAnswer) {
					return fmt.Errorf("taking an answer that is not there: %w", err)
				}
			}
			if err := askToJoin(st.Dir, false); err != nil {
				return err
			}
			if n, err = requests(st.Dir); err != nil || n != 1 {
				return fmt.Errorf("%d requests after the same again: %w", n, err)
			}
			return nil
		},
	}
	losing(t, interrupted(t, s), "fsync box/.new-join.pending-*", "fsync stick/KAZASHI/join/*.part")
}

// P2, P8: interrupted anywhere, a box that takes its registration from a stick has joined or can take it again.
func TestP2JoiningIsInterruptible(t *testing.T) {
	t.Parallel()
	j := theVoyage(t)
	s := crash.Scenario{
		Name: "joining by stick", Child: again("joined"), Ignore: []string{"*.lock", "*-shm"},
		Before: func(dir string) error { return j.answered(dir) },
		Check: func(st crash.State) error {
			conf := spare(st.Dir)
			if appliance.Asked(conf.DataDir) {
				if len(st.Said) > 0 && !st.Power {
					return errors.New("the request is there after it was said to be done")
				}
				err := patient(func() error {
					_, err := appliance.TakeAnswer(context.Background(), conf, filepath.Join(st.Dir, "stick"))
					return err
				})
				if err != nil {
					return err
				}
			}
			d, err := desired.Open(context.Background(), conf.DataDir, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			place := d.Place()
			if place.Name != "the spare" || appliance.Asked(conf.DataDir) {
				err = fmt.Errorf("the place is %+v", place)
			}
			return errors.Join(err, d.Close())
		},
	}
	losing(t, interrupted(t, s), "fsync box/.new-place.cbor-*")
}

// answered fills a folder with the spare that asked, and with central's answer on its stick.
func (j voyage) answered(dir string) error {
	err := errors.Join(j.office("swapping", filepath.Join("spare", "stick"))(dir),
		rig.CopyDir(filepath.Join(j.dir, "spare", "box"), filepath.Join(dir, "box")))
	if err != nil {
		return err
	}
	err = inOffice(dir, func(ctx context.Context, d *daemon.Daemon) (err error) {
		stick, err := parcel.Make(filepath.Join(dir, "stick"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stick.Close()) }()
		names, err := parcels(filepath.Join(dir, "stick"), parcel.Joining)
		if err != nil {
			return err
		}
		octets, err := os.ReadFile(filepath.Join(dir, "stick", names[0].String()))
		if err != nil {
			return err
		}
		p, err := d.TakeParcel(ctx, bytes.NewReader(octets), int64(len(octets)))
		if err != nil {
			return err
		}
		return stick.Put(ctx, parcel.Name{Kind: parcel.Joined, Box: p.Box}, bytes.NewReader(p.Answer))
	})
	return errors.Join(err, os.RemoveAll(filepath.Join(dir, "central")), os.Remove(filepath.Join(dir, fileOffice)))
}
