//go:build integration

package crash_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/central/lab/crash"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
)

func init() {
	children["visits"] = func(dir string) error { return visits(dir, true, 2, 3) }
	children["reseal"] = func(dir string) error {
		return inBook(dir, siteRing(2), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
			err := b.Reseal(ctx)
			fmt.Println("resealed")
			return err
		})
	}
	children["corrected"] = func(dir string) error {
		return inBook(dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
			if err := b.Correct(ctx, []sitebook.Correction{{
				Tap: tapOf(2), Time: time.Unix(0, 0), Desk: "desk-1", Service: shelter, Settled: time.Unix(60, 0),
				First: localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
				Final: localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked},
			}}, upTo); err != nil {
				return err
			}
			fmt.Println("on the list")
			if _, err := b.SignIn(ctx, localapi.NewSecret(staffCode)); err != nil {
				return err
			}
			err := b.Tick(ctx, tapOf(2))
			fmt.Println("ticked off")
			return err
		})
	}
	children["erase"] = func(dir string) error {
		return inBook(dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
			_, err := b.Erase(ctx)
			fmt.Println("erased")
			return err
		})
	}
}

const shelter record.ServiceID = "shelter"

// Who works at the shelter, and the version of the verdicts that correct.
const (
	staffID   = "s-01"
	staffCode = "kasumi-5150"
)

var upTo = rule.Version{CentralEpoch: 1, N: 7}

// siteRing is the made-up keys of a site, the last of n current.
func siteRing(n byte) sitekey.Ring {
	var ring sitekey.Ring
	for i := byte(1); i <= n; i++ {
		key, err := sitekey.ParseKey(slices.Repeat([]byte{i}, sitekey.KeyLen))
		if err == nil {
			ring, err = ring.With(key)
		}
		if err != nil {
			panic(err) // a constant
		}
	}
	return ring
}

// inBook opens the journal and the site book of a folder, and closes both.
func inBook(dir string, ring sitekey.Ring, do func(context.Context, *sitebook.Book, *journal.Journal) error) (err error) {
	ctx := context.Background()
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := seal.GenerateKey()
	if err != nil {
		return err
	}
	public := private.Public()
	j, err := journal.Open(ctx, filepath.Join(dir, "journal.db"), journal.Options{
		Device: device, Box: record.BoxID{ID128: record.ID128{1}}, Recipient: func() (seal.PublicKey, error) { return public, nil },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	b, err := sitebook.Open(ctx, filepath.Join(dir, "sitebook.db"), sitebook.Options{
		Site: "shelter-1", Desk: "desk-1", Ring: func() (sitekey.Ring, error) { return ring, nil }, Records: j,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return do(ctx, b, j)
}

// tapOf is that of the n-th person.
func tapOf(n byte) record.TapID { return record.TapID{ID128: record.ID128{0x7a, n}} }

func personOf(n byte) sitebook.Person {
	return sitebook.Person{Verifier: "practice-city", Hierarchy: 3, Serial: []byte{0x51, n}}
}

// visits is taps of some people as package tap takes them: the site book's entry, the record, the verdict.
func visits(dir string, say bool, people ...byte) error {
	return inBook(dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, j *journal.Journal) error {
		for _, n := range people {
			now := time.Now()
			if err := b.Write(ctx, sitebook.Visit{Tap: tapOf(n), At: now, Service: shelter, Person: personOf(n), Used: true, Link: fmt.Sprint("L-", n)}); err != nil {
				return err
			}
			if _, err := j.Append(ctx, []byte("a made-up record"), journal.Clear{
				Tap: tapOf(n), Time: now, Desk: "desk-1", Service: shelter, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
			}); err != nil {
				return err
			}
			b.Confirm(tapOf(n))
			if say {
				fmt.Println(n)
			}
		}
		return nil
	})
}

// P1, P2: killed or without power at any point of two taps, the site book holds exactly what has a record, and all that was told.
func TestP2SiteBookAndJournalAgree(t *testing.T) {
	t.Parallel()
	s := crash.Scenario{
		Name:   "site book and record",
		Before: func(dir string) error { return visits(dir, false, 1) },
		Child:  again("visits"),
		Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			return inBook(st.Dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, j *journal.Journal) error {
				here, err := b.Present(ctx)
				if err != nil {
					return err
				}
				for n := byte(1); n <= 3; n++ {
					has, err := j.Has(ctx, tapOf(n), 0)
					if err != nil {
						return err
					}
					told := n == 1 || slices.Contains(st.Said, fmt.Sprint(n))
					present := slices.ContainsFunc(here, func(p localapi.Presence) bool { return p.Tap == tapOf(n) })
					_, linked, err := b.ByNumber(ctx, shelter, fmt.Sprint("L-", n))
					if err != nil || has != present || has != (linked == sitebook.Linked) || told && !has {
						return fmt.Errorf("tap %d: told %t, record %t, present %t, linked %d: %w", n, told, has, present, linked, err)
					}
				}
				return nil
			})
		},
	}
	interrupted(t, s) // whether SQLite needs each of its fsyncs is not ours to say
}

// P6: a correction is on the work list as soon as its version is noted, and whoever ticked it off stays named.
func TestP6TheWorkListIsInterruptible(t *testing.T) {
	t.Parallel()
	losing(t, interrupted(t, crash.Scenario{
		Name: "correction on the work list",
		Before: func(dir string) error {
			if err := visits(dir, false, 1, 2, 3); err != nil {
				return err
			}
			return inBook(dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
				return b.SetStaff(ctx, localapi.NewStaff{ID: staffID, Name: "練習係", Code: localapi.NewSecret(staffCode)})
			})
		},
		Child:  again("corrected"),
		Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			return inBook(st.Dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
				work, err := b.Work(ctx, true)
				if err != nil {
					return err
				}
				noted, err := b.Corrected(ctx)
				listed := len(work) == 1 && work[0].Tap == tapOf(2) && work[0].Final.Verdict == record.VerdictRefused
				done := listed && work[0].Done != nil && work[0].Done.By == staffID
				if err != nil || listed != (noted == upTo) || len(work) > 0 && !listed ||
					slices.Contains(st.Said, "on the list") && !listed || slices.Contains(st.Said, "ticked off") && !done {
					return fmt.Errorf("%v said; up to %v, the list is %+v: %w", st.Said, noted, work, err)
				}
				return nil
			})
		},
	}), "fsync sitebook.db-wal")
}

// Interrupted anywhere, sealing anew loses nobody, and the next call completes it.
func TestP2ResealIsInterruptible(t *testing.T) {
	t.Parallel()
	interrupted(t, crash.Scenario{
		Name:   "sealing the site book anew",
		Before: func(dir string) error { return visits(dir, false, 1, 2, 3) },
		Child:  again("reseal"),
		Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			return inBook(st.Dir, siteRing(2), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
				for _, when := range []string{"before", "after"} {
					if here, err := b.Present(ctx); err != nil || len(here) != 3 {
						return fmt.Errorf("%s: %d present: %w", when, len(here), err)
					}
					if err := b.Reseal(ctx); err != nil {
						return err
					}
				}
				gens, err := b.Generations(ctx)
				if current, _, _ := siteRing(2).Current(); err != nil || len(gens) != 1 || gens[0] != current {
					return fmt.Errorf("sealed under %v: %w", gens, err)
				}
				return nil
			})
		},
	})
}

// P3: closing, interrupted anywhere, leaves all or nothing that opens, and the same call completes it.
func TestP3EraseIsInterruptible(t *testing.T) {
	t.Parallel()
	interrupted(t, crash.Scenario{
		Name:   "erasing the site book",
		Before: func(dir string) error { return visits(dir, false, 1, 2, 3) },
		Child:  again("erase"),
		Ignore: []string{"*-shm"},
		Check: func(st crash.State) error {
			return inBook(st.Dir, siteRing(1), func(ctx context.Context, b *sitebook.Book, _ *journal.Journal) error {
				had, err := b.Contents(ctx)
				if err != nil || had != (sitebook.Contents{}) && (had.Uses != 3 || had.Links != 3) || len(st.Said) > 0 && had != (sitebook.Contents{}) {
					return fmt.Errorf("%v said, the book holds %+v: %w", st.Said, had, err)
				}
				if _, err := b.Erase(ctx); err != nil {
					return err
				}
				files, err := filepath.Glob(filepath.Join(st.Dir, "sitebook.db*"))
				if left, cerr := b.Contents(ctx); err != nil || cerr != nil || left != (sitebook.Contents{}) || len(files) > 3 {
					return fmt.Errorf("after it the book holds %+v in %d files: %w", left, len(files), errors.Join(err, cerr))
				}
				return nil
			})
		},
	})
}
