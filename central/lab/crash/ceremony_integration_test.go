//go:build integration

package crash_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/crash"
	"kazashi.example/central/policy"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

func init() { children["publishtrust"] = publishTrust }

const fileDraft = "proposal"

// ceremony works on a central in a folder.
func ceremony(dir string) (policy.Ceremony, error) {
	k, err := keys.Open(filepath.Join(dir, "keys"))
	return policy.Ceremony{
		Config: config.Config{DataDir: dir, KeysDir: filepath.Join(dir, "keys")}, Keys: k, Now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
	}, err
}

// publishTrust is the central that is interrupted.
func publishTrust(dir string) error {
	err := publishDraft(dir)
	if err == nil {
		fmt.Println("published")
	}
	return err
}

func publishDraft(dir string) error {
	c, err := ceremony(dir)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(os.Getenv(envSigned), fileDraft))
	if err != nil {
		return err
	}
	d, err := trust.DecodeDraft(b)
	if err != nil {
		return err
	}
	_, err = c.Publish(d)
	return err
}

// proposed makes a central that has published one bundle, and the next root set, signed by all, in shop.
func proposed(dir, shop string) error {
	if err := keys.Create(filepath.Join(dir, "keys")); err != nil {
		return err
	}
	c, err := ceremony(dir)
	if err != nil {
		return err
	}
	d, err := c.Propose(time.Time{})
	if err != nil {
		return err
	}
	if _, err := d.Sign(c.Keys.Root); err != nil {
		return err
	}
	if _, err := c.Publish(d); err != nil {
		return err
	}
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := sign.PublicKeyOf(next.Public())
	if err != nil {
		return err
	}
	if d, err = c.Rotate(trust.NewRootSet(2, 1, []sign.PublicKey{public})); err != nil {
		return err
	}
	_, first := d.Sign(c.Keys.Root)
	_, second := d.Sign(next)
	b, err := d.Encode()
	return errors.Join(first, second, err, os.WriteFile(filepath.Join(shop, fileDraft), b, 0o600))
}

// published is the check: boxes get the bundle before or the next one, the next one if that was said; its chain is never longer than what
// the key directory holds; and publishing once more completes it.
func published(s crash.State) error {
	c, err := ceremony(s.Dir)
	if err != nil {
		return fmt.Errorf("opening the keys: %w", err)
	}
	o, err := c.Believed()
	if err != nil {
		return fmt.Errorf("reading the bundle in force: %w", err)
	}
	signed, err := c.InForce()
	if err != nil {
		return err
	}
	chain, err := trust.Chain(signed)
	switch {
	case err != nil:
		return err
	case len(chain) > len(c.Keys.Roots):
		return errors.New("the bundle in force has a root set that the key directory lacks")
	case len(s.Said) > 0 && len(chain) != 2:
		return fmt.Errorf("bundle %d is in force, and the next one was said to be", o.Number)
	}
	if err := publishDraft(s.Dir); err != nil {
		return fmt.Errorf("publishing again: %w", err)
	}
	again, err := c.Believed()
	if err != nil || again.Number < o.Number || again.Root == (trust.Fingerprint{}) {
		return fmt.Errorf("after publishing again: bundle %d, %w", again.Number, err)
	}
	all, err := c.Bundles()
	if err != nil || len(all) != 2 || !all[0].InForce {
		return fmt.Errorf("history: %+v, %w", all, err)
	}
	return nil
}

// copied is a central's folder, with keys that nobody else reads.
func copied(dir, from string) error {
	err := os.CopyFS(dir, os.DirFS(from))
	files, lerr := filepath.Glob(filepath.Join(dir, "keys", "*"))
	err = errors.Join(err, lerr)
	for _, f := range files {
		err = errors.Join(err, os.Chmod(f, 0o600))
	}
	return err
}

// P9: a bundle with new root keys is in force whole or not at all.
func TestP9APublicationOfTrustIsWhole(t *testing.T) {
	shop, made := t.TempDir(), filepath.Join(t.TempDir(), "central")
	if err := proposed(made, shop); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envSigned, shop) // the checks publish, too
	matrices(t, crash.Scenario{
		Name: "publish", Before: func(dir string) error { return copied(dir, made) },
		Child: func(ctx context.Context, dir string) *exec.Cmd { return again("publishtrust")(ctx, dir) },
		Check: published,
	})
}
