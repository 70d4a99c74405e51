package policy

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"kazashi.example/central/config"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/trust"
)

// ErrAnchor says that an anchor file does not hold exactly one certificate.
var ErrAnchor = errors.New("not a file of one certificate")

// Anchors reads the certificate files of a configuration. ErrAnchor, or an error of package jpki.
func Anchors(c config.Config) (*jpki.Anchors, error) {
	own, err := readAnchors(c)
	if err != nil {
		return nil, err
	}
	return jpki.NewAnchors(own...)
}

// anchors reads the certificate files into the bundle, and into the form in which central uses them itself.
func (p *Policy) anchors(c config.Config) error {
	own, err := readAnchors(c)
	if err != nil {
		return err
	}
	for _, a := range own {
		p.Trust.Anchors = append(p.Trust.Anchors, trust.Anchor{Hierarchy: a.Hierarchy, Purpose: a.Purpose, Certificate: a.Cert.Raw})
	}
	p.Anchors, err = jpki.NewAnchors(own...)
	return err
}

func readAnchors(c config.Config) ([]jpki.Anchor, error) {
	var own []jpki.Anchor
	for _, j := range c.JPKI {
		h, err := certid.ParseHierarchy(j.Hierarchy)
		if err != nil {
			return nil, err
		}
		for purpose, files := range map[certid.Purpose][]string{certid.PurposeAuth: j.AuthAnchors, certid.PurposeSign: j.SignAnchors} {
			for _, file := range files {
				cert, err := readCertificate(file)
				if err != nil {
					return nil, err
				}
				own = append(own, jpki.Anchor{Cert: cert, Hierarchy: h, Purpose: purpose})
			}
		}
	}
	sortAnchors(own)
	return own, nil
}

// sortAnchors gives the bundle one order, so that an unchanged configuration makes an unchanged bundle.
func sortAnchors(as []jpki.Anchor) {
	slices.SortFunc(as, func(a, b jpki.Anchor) int {
		return cmp.Or(cmp.Compare(a.Hierarchy, b.Hierarchy), cmp.Compare(a.Purpose, b.Purpose),
			a.Cert.NotBefore.Compare(b.Cert.NotBefore), bytes.Compare(a.Cert.Raw, b.Cert.Raw))
	})
}

// readCertificate takes DER, or one block of PEM with any text around it. A second block would be an anchor that nobody sees
// missing, so it is refused.
func readCertificate(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an anchor: %w", err)
	}
	if block, rest := pem.Decode(b); block != nil {
		if second, _ := pem.Decode(rest); second != nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: %s", ErrAnchor, path)
		}
		b = block.Bytes
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrAnchor, path, err)
	}
	return cert, nil
}
