//go:build integration

package crash_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// envSteps names what a box takes, in order; envSigned the folder where it lies.
const (
	envSteps  = "CRASH_TEST_STEPS"
	envSigned = "CRASH_TEST_SIGNED"
)

func init() { children["believe"] = believe }

// step is one change of what a box believes or obeys, and how it stands afterwards.
type step struct {
	name        string // "back", or a file
	trust, held uint64 // bundle in force, and the highest
	rules       uint64
}

// believe is the box that is interrupted: it takes one thing after the other and says each when it is in force.
func believe(dir string) error {
	ctx := context.Background()
	s, err := desired.Open(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, name := range filepath.SplitList(os.Getenv(envSteps)) {
		if err := take(ctx, s, os.Getenv(envSigned), name); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), s.Close())
		}
		fmt.Println(name)
	}
	return s.Close()
}

func take(ctx context.Context, s *desired.Store, dir, name string) error {
	if name == "back" {
		return s.RevertTrust(ctx)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if name[0] == 'r' {
		return s.ApplyRules(b)
	}
	return s.ApplyTrust(b)
}

// authority signs bundles t1… and rules r1… into a folder.
type authority struct {
	dir   string
	place desired.Place
}

func newAuthority(dir string) (authority, error) {
	key := func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k } // cannot fail (Go 1.26)
	root, own, tls := key(), key(), key()
	public := func(k *ecdsa.PrivateKey) sign.PublicKey { p, _ := sign.PublicKeyOf(k.Public()); return p } // on P-256
	to, err := seal.GenerateKey()
	if err != nil {
		return authority{}, err
	}
	set, err := trust.NewRootSet(1, 1, []sign.PublicKey{public(root)}).Sign([]crypto.Signer{root})
	if err != nil {
		return authority{}, err
	}
	print, err := trust.FingerprintOf(set)
	a := authority{dir, desired.Place{Box: record.NewBoxID(), Site: "honmachi", Name: "counter 1", Root: print}}
	for n := uint64(1); n <= 9 && err == nil; n++ {
		b := trust.Bundle{Number: n, Issued: 1, Suites: []seal.Suite{seal.Suite1}, Keys: []trust.Key{
			{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: public(own).DER()},
			{Purposes: []sign.Purpose{trust.UseTLS}, Public: public(tls).DER()},
			{Purposes: []sign.Purpose{trust.UseSeal}, Public: to.Public().Bytes()},
		}}
		var bundle, rules []byte
		if bundle, err = b.Sign([][]byte{set}, []crypto.Signer{root}); err != nil {
			break
		}
		rules, err = rule.Set{Version: rule.Version{CentralEpoch: 1, N: n}, Issued: 1, Site: a.place.Site, Rules: []rule.Rule{{
			Service: "kiyose.library", Verifier: "kiyose", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, ListFull: 1,
			ListProvisional: 2, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice}, Practice: true,
		}}}.Sign(own)
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprint("t", n)), bundle, 0o600),
			os.WriteFile(filepath.Join(dir, fmt.Sprint("r", n)), rules, 0o600))
	}
	return a, err
}

// joined is a box that took the first steps already, whole and durable.
func (a authority) joined(first ...string) func(string) error {
	return func(dir string) error {
		b, err := os.ReadFile(filepath.Join(a.dir, "t1"))
		if err != nil {
			return err
		}
		if err := desired.Create(dir, a.place, b); err != nil {
			return err
		}
		s, err := desired.Open(context.Background(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		for _, name := range first {
			err = errors.Join(err, take(context.Background(), s, a.dir, name))
		}
		return errors.Join(err, s.Close())
	}
}

// scenario takes steps beginning from how the box stands before.
func (a authority) scenario(name string, before step, first []string, steps ...step) crash.Scenario {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return crash.Scenario{
		Name: name, Before: a.joined(first...), Ignore: []string{"*-shm"},
		Child: func(ctx context.Context, dir string) *exec.Cmd {
			cmd := again("believe")(ctx, dir)
			cmd.Env = append(cmd.Env, envSteps+"="+strings.Join(names, string(filepath.ListSeparator)), envSigned+"="+a.dir)
			return cmd
		},
		Check: func(s crash.State) error { return a.check(s, append([]step{before}, steps...)) },
	}
}

// check is the invariant: the box stands as after what it said last, or as after the next step, and takes newer things from there.
func (a authority) check(s crash.State, steps []step) error {
	ctx := context.Background()
	box, err := desired.Open(ctx, s.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer box.Close()
	stands := func() step { return step{trust: box.Trust().Number, held: box.TrustHeld(), rules: box.Rules().N} }
	fits := false
	for _, want := range steps[len(s.Said):min(len(s.Said)+2, len(steps))] {
		want.name = ""
		fits = fits || stands() == want
	}
	if !fits {
		return fmt.Errorf("stands at %+v after %q", stands(), s.Said)
	}
	if err := a.behind(s.Dir, box, steps); err != nil {
		return err
	}
	if _, _, ok := box.For("kiyose.library"); ok != (box.Rules().N > 0) {
		return errors.New("rules are held and not in force, or the reverse")
	}
	peeked, err := desired.PeekTrust(s.Dir)
	if err != nil || peeked.Number != box.Trust().Number {
		return fmt.Errorf("another bundle is seen from outside: %d, %w", peeked.Number, err)
	}
	if err := errors.Join(take(ctx, box, a.dir, "t9"), take(ctx, box, a.dir, "r9")); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if got := stands(); got != (step{trust: 9, held: 9, rules: 9}) {
		return fmt.Errorf("stands at %+v after going on", got)
	}
	return nil
}

// behind demands that what the last step replaced is kept beside it: a change must be revertible from the moment at which it counts.
func (a authority) behind(dir string, box *desired.Store, steps []step) error {
	before, after := steps[0], steps[1]
	if box.Trust().Number == after.trust && after.trust > before.trust && box.PreviousTrust() != before.trust {
		return fmt.Errorf("bundle before is %d, want %d", box.PreviousTrust(), before.trust)
	}
	if box.Rules().N == before.rules || after.rules == before.rules {
		return nil
	}
	if err := a.floored(dir, after.rules); err != nil || before.rules == 0 {
		return err
	}
	b, err := os.ReadFile(filepath.Join(dir, "rules.cbor.previous"))
	if err != nil {
		return err
	}
	set, err := rule.Inspect(box.Trust(), b)
	if err != nil || set.Version.N != before.rules {
		return fmt.Errorf("rules before are %d, %w, want %d", set.Version.N, err, before.rules)
	}
	return nil
}

// floored demands that rules older than those in force are refused also when these are gone: they may go out of force.
func (a authority) floored(dir string, rules uint64) error {
	elsewhere := dir + "-floored"
	if err := os.CopyFS(elsewhere, os.DirFS(dir)); err != nil {
		return err
	}
	for _, name := range []string{"rules.cbor", "rules.cbor.previous"} {
		if err := os.Remove(filepath.Join(elsewhere, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	box, err := desired.Open(context.Background(), elsewhere, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer box.Close()
	if err := take(context.Background(), box, a.dir, fmt.Sprint("r", rules-1)); !errors.Is(err, desired.ErrOlder) {
		return errors.Join(errors.New("older rules follow those that are gone"), err)
	}
	return nil
}

// P9: what a box believes and obeys changes whole or not at all, forth and back, wherever it is killed or the power goes.
func TestP9TrustAndRulesChangeWhole(t *testing.T) {
	t.Parallel()
	a, err := newAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rules := a.scenario("rules", step{trust: 1, held: 1, rules: 2}, []string{"r1", "r2"}, step{"r3", 1, 1, 3})
	rules.Superfluous = map[string]string{"fsync dir .": "the first rules need it after the floor; later that of the rules before covers it"}
	for _, s := range []crash.Scenario{
		a.scenario("a bundle", step{trust: 2, held: 2, rules: 1}, []string{"t2", "r1"}, step{"t3", 3, 3, 1}),
		a.scenario("first rules", step{trust: 1, held: 1}, nil, step{"r2", 1, 1, 2}),
		rules,
		a.scenario("back", step{trust: 3, held: 3, rules: 1}, []string{"r1", "t2", "t3"}, step{"back", 2, 3, 1}),
		a.scenario("on from there", step{trust: 2, held: 3, rules: 1}, []string{"r1", "t2", "t3", "back"}, step{"t4", 4, 4, 1}),
	} {
		t.Run(s.Name, func(t *testing.T) { matrices(t, s) })
	}
}
