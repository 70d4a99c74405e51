package policy

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kazashi.example/central/keys"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// ErrUnsigned says that boxes need a trust bundle that central cannot sign: the root keys are held elsewhere.
var ErrUnsigned = errors.New("there is no trust bundle in force that boxes could know this central by, and no root key here to sign one; " +
	"run `kazashi-central trust make`, have the holders sign, and publish")

// Names inside the data directory.
const (
	fileTrust  = "trust.cbor" // in force
	dirTrust   = "trust"      // every bundle that ever was, by its number
	fileByHand = "by-hand"    // in dirTrust; there since somebody published a bundle
	bundleEnd  = ".cbor"
)

// shelf is where bundles are kept.
type shelf struct{ dir string }

func (s shelf) inForce() string    { return filepath.Join(s.dir, fileTrust) }
func (s shelf) byHandMark() string { return filepath.Join(s.dir, dirTrust, fileByHand) }
func (s shelf) bundle(number uint64) string {
	return filepath.Join(s.dir, dirTrust, strconv.FormatUint(number, 10)+bundleEnd)
}
func (s shelf) read(number uint64) ([]byte, error) { return os.ReadFile(s.bundle(number)) }

// numbers lists the bundles that are kept, oldest first.
func (s shelf) numbers() ([]uint64, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, dirTrust))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []uint64
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), bundleEnd)
		if n, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}

// put makes a bundle the one in force, which the last of its steps does. A crash before that leaves one more in the history.
func (s shelf) put(number uint64, signed []byte) error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	if err := durable.WriteFile(s.bundle(number), signed, 0o600); err != nil {
		return err
	}
	return durable.WriteFile(s.inForce(), signed, 0o600)
}

func (s shelf) makeFolder() error {
	err := os.Mkdir(filepath.Join(s.dir, dirTrust), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the folder of trust bundles: %w", err)
	}
	return durable.SyncDir(s.dir)
}

// byHand reports whether bundles are made by the ceremony alone: the root key is not here, one key is not enough, or somebody published.
func (s shelf) byHand(k *keys.Keys) (bool, error) {
	if k.Root == nil || len(k.Roots) > 1 {
		return true, nil
	}
	_, err := os.Lstat(s.byHandMark())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// kept is the bundle in force; zero if there is none.
type kept struct {
	trust.Opened

	signed []byte
}

// recall reads the bundle in force. One that cannot be believed is set aside under the name that comes back.
func (s shelf) recall(root trust.Fingerprint, now time.Time) (k kept, aside string, err error) {
	path := s.inForce()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, "", nil
	}
	if err != nil {
		return k, "", err
	}
	o, err := trust.Open(b, trust.Terms{Root: root})
	if err == nil {
		return kept{o, b}, "", nil
	}
	aside = path + ".set-aside-" + now.UTC().Format("20060102T150405Z")
	if err := os.Rename(path, aside); err != nil {
		return k, "", fmt.Errorf("setting a damaged file aside: %w", err)
	}
	return k, aside, durable.SyncDir(s.dir)
}

// trust takes the bundle in force if it is what is wanted now, and otherwise makes the next. A central that was restored makes a
// new one in any case: boxes may hold a later one than the restored disk does.
func (p *Policy) trust(dir string, sameEpoch bool) error {
	s := shelf{dir}
	first, err := p.keys.Fingerprint()
	if err != nil {
		return err
	}
	byHand, err := s.byHand(p.keys)
	if err != nil {
		return err
	}
	k, aside, err := s.recall(first, p.now)
	if err != nil {
		return err
	}
	if aside != "" {
		p.Damaged = append(p.Damaged, aside)
	}
	if byHand {
		return p.follow(k)
	}
	if k.signed != nil && sameEpoch {
		if same, err := k.same(p.Trust); same || err != nil {
			p.use(k)
			return err
		}
	}
	p.Trust.Number, p.Trust.Issued = max(k.Number+1, unix(p.now)), p.now.Unix()
	if err := p.rules.under(p.Trust, p.now); err != nil { // before anything is written
		return err
	}
	if p.TrustSigned, err = p.Trust.Sign(p.keys.Roots, []crypto.Signer{p.keys.Root}); err != nil {
		return err
	}
	o, err := trust.Open(p.TrustSigned, trust.Terms{Root: first})
	if err != nil { // root key and root set of two centrals
		return fmt.Errorf("reading back what was signed: %w", err)
	}
	p.Root = o.Root
	return s.put(o.Number, p.TrustSigned)
}

// same compares what two bundles say.
func (k kept) same(b trust.Bundle) (bool, error) {
	b.Number, b.Issued, b.Expires = k.Number, k.Issued, k.Expires
	return equal(k.Bundle, b)
}

func (p *Policy) use(k kept) { p.Trust, p.TrustSigned, p.Root = k.Bundle, k.signed, k.Root }

// follow uses what the holders of the root keys signed, whatever the configuration wants, as long as boxes know this central by it.
func (p *Policy) follow(k kept) error {
	if k.signed == nil {
		return ErrUnsigned
	}
	if missing := unknown(k.Bundle, p.Trust.Keys); missing != "" {
		return fmt.Errorf("%w (bundle %d names no such key for %s)", ErrUnsigned, k.Number, missing)
	}
	same, err := k.same(p.Trust)
	p.Differs = !same
	p.use(k)
	return err
}

// needed are the purposes for which every box needs a key of this central.
var needed = []sign.Purpose{trust.UseTLS, trust.UseSeal, sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}

// unknown is one of them for which the bundle does not name central's key; "" if there is none.
func unknown(b trust.Bundle, own []trust.Key) sign.Purpose {
	for _, k := range own {
		for _, purpose := range k.Purposes {
			if slices.Contains(needed, purpose) && !slices.ContainsFunc(b.Keys, func(o trust.Key) bool {
				return slices.Contains(o.Purposes, purpose) && sign.KeyIDOf(o.Public) == sign.KeyIDOf(k.Public)
			}) {
				return purpose
			}
		}
	}
	return ""
}
