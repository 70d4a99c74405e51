package world

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"path/filepath"

	"kazashi.example/central/lab/world/card"
	"kazashi.example/sync/certid"
)

// cardCAs are the issuer keys of the practice cards' own certificates.
var cardCAs = []struct{ name, number, key string }{
	{"face", card.FaceIssuer, keyFaceCA},
	{"input", card.InputIssuer, keyInputCA},
	{"next", card.NextIssuer, keyNextCA},
}

// CardAnchors are the issuer keys of the practice cards: today's card-face AP, today's input-assist AP, and the next card's.
func (w *World) CardAnchors() ([]CardAnchor, error) {
	var out []CardAnchor
	for _, c := range cardCAs {
		key, err := w.keys.key(c.key)
		if err != nil {
			return nil, err
		}
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, fmt.Errorf("encoding card anchor: %w", err)
		}
		out = append(out, CardAnchor{
			Name: c.name, Hierarchy: certid.HierarchyPractice, KeyID: card.MakeKeyID(c.number), Input: c.key == keyInputCA, Key: spki,
			Path: filepath.Join(w.dir, "ca", cardCAFile(c.name)),
		})
	}
	return out, nil
}

func cardCAFile(name string) string { return "card-ca-" + name + ".pem" }

// writeCardCAs writes the keys as PEM, and beside them what central's configuration says of each.
func (w *World) writeCardCAs() error {
	anchors, err := w.CardAnchors()
	if err != nil {
		return err
	}
	var list bytes.Buffer
	list.WriteString("# Practice card authorities. NOT REAL. Paths are relative to this file.\n")
	for _, a := range anchors {
		if err := writeFile(a.Path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: a.Key})); err != nil {
			return err
		}
		fmt.Fprintf(&list, "\n[[card_ca]]\nhierarchy = %q\nid = %q\nkey = %q\n", a.Hierarchy, hex.EncodeToString(a.KeyID[:]), filepath.Base(a.Path))
	}
	return writeFile(filepath.Join(w.dir, "ca", "card-cas.toml"), list.Bytes())
}
