package world

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Serials of the roots outside every trust bundle.
const (
	strangerSerial = 77
	phoneSerial    = 78
)

// loadAuthorities makes the roots, and compares them with those that are there. Signatures come out the same each time.
func (w *World) loadAuthorities(fresh bool) error {
	day := dayOf(w.state.Made)
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		for _, g := range generationsOf(p) {
			if err := w.addAuthority(p, g, day, fresh); err != nil {
				return err
			}
		}
	}
	return w.addUnlisted(generationOf(certid.PurposeAuth, currentGeneration), day)
}

// addUnlisted makes the roots that no trust bundle names, as old as g.
func (w *World) addUnlisted(g generation, day time.Time) error {
	for _, u := range []struct {
		into *(*pki.Authority)
		key  string
		num  uint32
		make func(uint32, time.Time, time.Time, crypto.Signer) (*pki.Authority, error)
	}{
		{&w.stranger, keyStranger, strangerSerial, pki.NewStranger},
		{&w.phones, keyPhones, phoneSerial, pki.NewPhone},
	} {
		key, err := w.keys.key(u.key)
		if err != nil {
			return err
		}
		if *u.into, err = u.make(u.num, g.start(day), g.end(day), key); err != nil {
			return fmt.Errorf("making an unlisted authority: %w", err)
		}
	}
	return nil
}

func (w *World) addAuthority(p certid.Purpose, g generation, day time.Time, fresh bool) error {
	key, err := w.keys.key(authorityKey(p, g.number))
	if err != nil {
		return err
	}
	a, err := pki.NewAuthority(p, g.number, g.root, g.start(day), g.end(day), key)
	if err != nil {
		return fmt.Errorf("making authority: %w", err)
	}
	path := w.authorityPath(p, g.number)
	if fresh {
		err = writeFile(path, a.Cert.Raw)
	} else {
		err = sameAs(path, a.Cert)
	}
	if err != nil {
		return err
	}
	w.authorities = append(w.authorities, a)
	return nil
}

func (w *World) authorityPath(p certid.Purpose, gen int) string {
	return filepath.Join(w.dir, "ca", fmt.Sprintf("%s-g%d.cer", p, gen))
}

// sameAs refuses a folder whose keys are not those that its certificates were made with.
func sameAs(path string, want *x509.Certificate) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading root: %w", err)
	}
	have, err := x509.ParseCertificate(b)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrOther, path, err)
	}
	if !have.Equal(want) {
		return fmt.Errorf("%w: %s does not belong to the keys; delete the folder", ErrOther, path)
	}
	return nil
}

// Authority is one generation of a purpose's CA with its key; generation 0 is the one that issues for today's cards. ErrUnknown
// otherwise.
func (w *World) Authority(p certid.Purpose, gen int) (*pki.Authority, error) {
	if gen == 0 {
		gen = current(p)
	}
	for _, a := range w.authorities {
		if a.Purpose == p && a.Generation == gen {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%w: %s CA of generation %d", ErrUnknown, p, gen)
}

// Newest is the youngest generation of a purpose's CA, which signs the list for all of them. ErrUnknown for no purpose of this world.
func (w *World) Newest(p certid.Purpose) (*pki.Authority, error) {
	return w.Authority(p, nextGeneration)
}

// Authorities lists all generations of all purposes, oldest first within a purpose. The caller must not change them.
func (w *World) Authorities() []*pki.Authority {
	return append([]*pki.Authority(nil), w.authorities...)
}

// Responder is the certificate and key with which a generation's OCSP answers are signed.
func (w *World) Responder(a *pki.Authority) (*x509.Certificate, crypto.Signer, error) {
	name := keyResponder
	if a.Generation == nextGeneration {
		name += curveMark
	}
	key, err := w.keys.key(name)
	if err != nil {
		return nil, nil, err
	}
	cert, err := a.Responder(generationOf(a.Purpose, a.Generation).root+1, key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("making responder certificate: %w", err)
	}
	return cert, key, nil
}

// Anchors are the practice roots for a trust bundle, expired ones too: what a verifier needs, and no other.
func (w *World) Anchors() []Anchor {
	out := make([]Anchor, 0, len(w.authorities))
	for _, a := range w.authorities {
		out = append(out, Anchor{Scope: scope(a.Purpose), Generation: a.Generation, Cert: a.Cert.Raw})
	}
	return out
}
