package world

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/card"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// strangerSerial is the serial of the root outside every trust bundle.
const strangerSerial = 77

// loadAuthorities makes or reads the roots. RSA signatures come out the same each time, so that reading is only quicker than making.
func (w *World) loadAuthorities(fresh bool) error {
	day := dayOf(w.state.Made)
	for _, g := range authGenerations {
		if err := w.addAuthority(certid.PurposeAuth, g, day, fresh); err != nil {
			return err
		}
	}
	if err := w.addAuthority(certid.PurposeSign, signGeneration, day, fresh); err != nil {
		return err
	}
	key, err := w.keys.key(keyStranger)
	if err != nil {
		return err
	}
	g := authGenerations[len(authGenerations)-1]
	w.stranger, err = pki.NewStranger(strangerSerial, g.start(day), g.end(day), key)
	if err != nil {
		return fmt.Errorf("making the unlisted authority: %w", err)
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

// Authority is one generation of a purpose's CA with its key; generation 0 is the one that signs today. ErrUnknown otherwise.
func (w *World) Authority(p certid.Purpose, gen int) (*pki.Authority, error) {
	var found *pki.Authority
	for _, a := range w.authorities {
		if a.Purpose == p && (gen == 0 || a.Generation == gen) {
			found = a
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s CA of generation %d", ErrUnknown, p, gen)
	}
	return found, nil
}

// Authorities lists all generations of all purposes, oldest first within a purpose. The caller must not change them.
func (w *World) Authorities() []*pki.Authority {
	return append([]*pki.Authority(nil), w.authorities...)
}

// Responder is the certificate and key with which a generation's OCSP answers are signed.
func (w *World) Responder(a *pki.Authority) (*x509.Certificate, crypto.Signer, error) {
	key, err := w.keys.key(keyResponder)
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

// CardAnchors are the two issuer keys of the practice cards.
func (w *World) CardAnchors() ([]CardAnchor, error) {
	var out []CardAnchor
	for _, c := range []struct{ number, key string }{{card.FaceIssuer, keyFaceCA}, {card.InputIssuer, keyInputCA}} {
		key, err := w.keys.key(c.key)
		if err != nil {
			return nil, err
		}
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, fmt.Errorf("encoding card anchor: %w", err)
		}
		out = append(out, CardAnchor{KeyID: card.MakeKeyID(c.number), Input: c.key == keyInputCA, Key: spki})
	}
	return out, nil
}
