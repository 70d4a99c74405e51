//go:build integration

package crash_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	appliance "kazashi.example/appliance/box"
	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/crash"
	"kazashi.example/central/lab/invariant"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
)

// A made-up box: child and check are different processes and must know the same keys.
var (
	madeUpBox    = record.BoxID{ID128: record.ID128{0xb0, 1}}
	madeUpDevice = key("kazashi crash test: device")
	madeUpSeal   = sealKey()
)

func key(name string) *ecdsa.PrivateKey {
	sum := sha256.Sum256([]byte(name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		panic(err) // a constant
	}
	return k
}

func sealKey() seal.PublicKey {
	k, err := seal.GenerateKey()
	if err != nil {
		panic(err) // it never fails (Go 1.24)
	}
	return k.Public()
}

func init() {
	children["append"] = func(dir string) error { return appendTogether(dir, true, 1, 2, 3, 4, 5, 6) }
	children["maintain"] = maintain
	children["correct"] = correctClock
	children["aside"] = func(dir string) error { return appendTogether(dir, true, 21) }
}

// inJournal opens a folder's journal as the box does, and closes it.
func inJournal(dir string, do func(context.Context, *journal.Journal) error) (err error) {
	ctx := context.Background()
	path := filepath.Join(dir, "journal.db")
	_, missing := os.Stat(path)
	j, err := openJournal(ctx, path, journal.Options{
		Device: madeUpDevice, Box: madeUpBox, Recipient: func() (seal.PublicKey, error) { return madeUpSeal, nil },
		Stretch: func() string { return "the only one" }, Fresh: errors.Is(missing, os.ErrNotExist),
		Room: journal.Room{Low: 2 << 20, Stop: 1 << 20, Reserve: 64 << 10},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	return do(ctx, j)
}

// patient does something with a folder that this process had in use a moment ago: another test's child, which is just being started, may still
// hold a copy of its lock.
func patient(do func() error) (err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if err = do(); !errors.Is(err, journal.ErrInUse) && !errors.Is(err, appliance.ErrInUse) {
			return err
		}
		<-tick.C
	}
	return err
}

func openJournal(ctx context.Context, path string, o journal.Options) (j *journal.Journal, err error) {
	err = patient(func() (err error) { j, err = journal.Open(ctx, path, o); return err })
	return j, err
}

// readers is how many cards are read at once.
const readers = 3

// appendTogether writes the taps of some people down from several readers, and says each when it is durable.
func appendTogether(dir string, say bool, who ...byte) error {
	return inJournal(dir, func(ctx context.Context, j *journal.Journal) error {
		var g errgroup.Group
		for r := range readers {
			g.Go(func() error {
				for i := r; i < len(who); i += readers {
					if err := appendOne(ctx, j, who[i]); err != nil {
						return err
					}
					if say {
						fmt.Println(who[i])
					}
				}
				return nil
			})
		}
		return g.Wait()
	})
}

func appendOne(ctx context.Context, j *journal.Journal, person byte) error {
	_, err := j.Append(ctx, []byte("a made-up record"), journal.Clear{
		Tap: tapOf(person), Time: time.Now(), Desk: "desk-1", Service: shelter, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
	})
	return err
}

// visitors are n made-up ones, from the first on.
func visitors(first, n byte) (all []byte) {
	for i := range n {
		all = append(all, first+i)
	}
	return all
}

// told is central's word about all that a journal holds.
func told(ctx context.Context, j *journal.Journal, level ack.Level, n uint64) (ack.Ack, error) {
	a := ack.Ack{Version: rule.Version{CentralEpoch: 1, N: n}, Box: madeUpBox}
	p, err := j.Unsent(ctx, journal.Limits{})
	if err != nil {
		return a, err
	}
	held := map[record.EpochID][]ack.Held{}
	for _, b := range p.Envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			return a, err
		}
		held[e.Epoch] = append(held[e.Epoch], ack.Held{Seq: e.Seq, Previous: e.Previous, Chain: e.Previous.Next(b), Level: level})
	}
	for id, h := range held {
		slices.SortFunc(h, func(a, b ack.Held) int { return int(a.Seq) - int(b.Seq) })
		a.Ranges = append(a.Ranges, ack.Runs(id, h)...)
	}
	return a, nil
}

// maintain hears that everything is safe, deletes it, and takes one more tap.
func maintain(dir string) error {
	return inJournal(dir, func(ctx context.Context, j *journal.Journal) error {
		a, err := told(ctx, j, ack.Safe, 1)
		if err != nil {
			return err
		}
		if err := j.Accept(ctx, a); err != nil {
			return err
		}
		fmt.Println("accepted")
		if _, err := j.Prune(ctx, 2); err != nil {
			return err
		}
		fmt.Println("pruned")
		if err := appendOne(ctx, j, 31); err != nil {
			return err
		}
		fmt.Println(31)
		return nil
	})
}

// correctClock keeps how wrong the clock was, and that central has it.
func correctClock(dir string) error {
	return inJournal(dir, func(ctx context.Context, j *journal.Journal) error {
		if _, err := j.Correct(ctx, "the only one", time.Hour, time.Now()); err != nil {
			return err
		}
		fmt.Println("corrected")
		p, err := j.Unsent(ctx, journal.Limits{})
		if err != nil {
			return err
		}
		if err := j.Corrected(ctx, p.Corrections); err != nil {
			return err
		}
		fmt.Println("heard")
		return nil
	})
}

// device is D's public half.
func device() []byte {
	der, err := x509.MarshalPKIXPublicKey(&madeUpDevice.PublicKey)
	if err != nil {
		panic(err) // a constant
	}
	return der
}

// checkAll holds a box's folder against every invariant, and wants so many records to wait there at least.
func checkAll(dir string, waits int) (invariant.Report, error) {
	r, err := invariant.CheckAll(context.Background(), invariant.Places{Boxes: []invariant.Box{{Dir: dir, Device: device(), Waits: waits}}})
	return r, errors.Join(err, r.Err())
}

// sound is the check of every journal scenario: all invariants before the box starts again, all that was said, one more tap, and all
// invariants after it.
//
// waits is how many records must wait before the restart, whatever was said.
func sound(st crash.State, waits int, has func(context.Context, *journal.Journal, crash.State) error) error {
	if _, err := checkAll(st.Dir, waits); err != nil {
		return fmt.Errorf("before the restart: %w", err)
	}
	err := inJournal(st.Dir, func(ctx context.Context, j *journal.Journal) error {
		if err := has(ctx, j, st); err != nil {
			return err
		}
		return appendOne(ctx, j, 99)
	})
	if err != nil {
		return err
	}
	if _, err := checkAll(st.Dir, 1); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	return nil
}

// hasSaid wants every tap that was said to be there, once.
func hasSaid(ctx context.Context, j *journal.Journal, st crash.State) error {
	rows, err := j.Taps(ctx, 1000)
	if err != nil {
		return err
	}
	count := map[record.TapID]int{}
	for _, r := range rows {
		count[r.Tap]++
	}
	for _, said := range st.Said {
		var person byte
		if n, err := fmt.Sscan(said, &person); n != 1 || err != nil {
			continue // another word
		}
		if count[tapOf(person)] != 1 {
			return fmt.Errorf("tap %d was told and is there %d times", person, count[tapOf(person)])
		}
	}
	return nil
}

// commits is the flush that makes a transaction of the journal durable.
const commits = "fsync journal.db-wal"

// walTwice is why some of these flushes are of no use, those that SQLite does besides.
const walTwice = "SQLite flushes the log also after its header, which the commit covers, and before it moves a log that is flushed into the database"

// committed runs all matrices and wants so many commits to be of use: each that somebody was told of. With 0 one of them alone is left
// out unless all is asked for, which takes its time.
func committed(t *testing.T, s crash.Scenario, least int) {
	t.Helper()
	s.Ignore = append(s.Ignore, "*-shm", "*.reserve", "*.lock")
	if s.Superfluous == nil {
		s.Superfluous = map[string]string{}
	}
	s.Superfluous[commits] = walTwice
	if least == 0 && !thorough() {
		losing(t, interrupted(t, s), commits)
		return
	}
	if needed := matrices(t, s)[commits]; needed < least {
		t.Errorf("%s: %d commits are of use, want %d at least", s.Name, needed, least)
	}
}

// P1, P2: killed or without power at any point while three readers write at once, every tap that was told is there once, and the epoch is whole.
func TestP2AppendIsDurable(t *testing.T) {
	t.Parallel()
	committed(t, crash.Scenario{
		Name:   "append from three readers",
		Before: func(dir string) error { return appendTogether(dir, false, 11, 12) },
		Child:  again("append"),
		Check:  func(st crash.State) error { return sound(st, 2, hasSaid) },
	}, 2)
}

// guests is how many taps lie in a journal that is maintained or set aside.
const guests = 8

// P2, design §5.5: interrupted anywhere, maintenance deletes only what is safe, and what was told stays.
func TestP2MaintenanceIsInterruptible(t *testing.T) {
	t.Parallel()
	committed(t, crash.Scenario{
		Name: "maintenance of the journal",
		Superfluous: map[string]string{
			"fsync dir .": "SQLite flushes the folder once more before it moves a log into the database, whose name is durable by then",
		},
		Before: func(dir string) error { return appendTogether(dir, false, visitors(11, guests)...) },
		Child:  again("maintain"),
		Check: func(st crash.State) error {
			had := guests
			if len(st.Said) > 0 { // accepted: all are safe
				had = 0
			}
			return sound(st, had, func(ctx context.Context, j *journal.Journal, st crash.State) error {
				waiting, err := j.Waiting(ctx)
				if err != nil || slices.Contains(st.Said, "accepted") && waiting > 1 {
					return fmt.Errorf("%d records wait after central said that all are safe: %w", waiting, err)
				}
				if _, err := j.Prune(ctx, 2); err != nil { // goes on where it was
					return err
				}
				return hasSaid(ctx, j, st)
			})
		},
	}, 2)
}

// P2: interrupted anywhere, a correction of the clock is kept once it was said, and goes to central until that has it.
func TestP2CorrectionIsInterruptible(t *testing.T) {
	t.Parallel()
	committed(t, crash.Scenario{
		Name:   "correction of the clock",
		Before: func(dir string) error { return appendTogether(dir, false, 11) },
		Child:  again("correct"),
		Check: func(st crash.State) error {
			return sound(st, 1, func(ctx context.Context, j *journal.Journal, st crash.State) error {
				p, err := j.Unsent(ctx, journal.Limits{})
				if err != nil || len(p.Corrections) > 1 {
					return fmt.Errorf("%d corrections: %w", len(p.Corrections), err)
				}
				switch len(st.Said) {
				case 1:
					if len(p.Corrections) != 1 && len(st.Done) > 0 && st.Done[len(st.Done)-1].Kind == crash.Say {
						return errors.New("the correction that was kept is not to be sent")
					}
				case 2:
					if len(p.Corrections) != 0 {
						return errors.New("a correction that central has goes to it again")
					}
				}
				fresh, err := j.Correct(ctx, "the only one", time.Hour, time.Now())
				if err != nil || fresh && len(st.Said) > 0 {
					return fmt.Errorf("correcting again found something new: %t, %w", fresh, err)
				}
				return nil
			})
		},
	}, 2)
}

// spoil overwrites a page in the middle of a journal that was closed.
func spoil(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "journal.db"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(slices.Repeat([]byte{0xd5}, 4096), 4096)
	return errors.Join(err, f.Close())
}

// P2, design §5.3: interrupted anywhere, a journal that is set aside is still there, whole, and intake goes on in a new epoch.
func TestP2SettingAsideIsInterruptible(t *testing.T) {
	t.Parallel()
	committed(t, crash.Scenario{
		Name: "setting a damaged journal aside",
		Before: func(dir string) error {
			return errors.Join(appendTogether(dir, false, visitors(11, guests)...), spoil(dir))
		},
		Child: again("aside"),
		Check: func(st crash.State) error {
			// Before the restart the damaged journal may still be in its place: nothing of it is a violation yet.
			err := inJournal(st.Dir, func(ctx context.Context, j *journal.Journal) error {
				if err := hasSaid(ctx, j, st); err != nil {
					return err
				}
				return appendOne(ctx, j, 99)
			})
			if err != nil {
				return err
			}
			aside, err := filepath.Glob(filepath.Join(st.Dir, "journal.db.set-aside-*Z"))
			if err != nil || len(aside) != 1 {
				return fmt.Errorf("set aside are %q: %w", aside, err)
			}
			_, err = checkAll(st.Dir, 1)
			return err
		},
		Superfluous: map[string]string{
			"fsync journal.db.new-journal": made, "fsync journal.db.new-wal": made, "fsync journal.db.new": made,
			"fsync dir .": "SQLite flushes the folder as well, whenever it makes a log, and one of the two is enough",
		},
	}, 0)
}

// made is why what SQLite flushes while it makes the new database is of no use.
const made = "the new database is made under another name, which it loses only when all of it is flushed"
