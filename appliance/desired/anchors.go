package desired

import (
	"crypto/x509"
	"fmt"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/trust"
)

// anchorsOf turns the bundle's certificate authorities into the reader's own type.
func anchorsOf(b trust.Bundle) (*jpki.Anchors, error) {
	own := make([]jpki.Anchor, 0, len(b.Anchors))
	for _, a := range b.Anchors {
		if !a.Hierarchy.Valid() || !a.Purpose.Valid() {
			continue // of a later release
		}
		cert, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading an anchor of the trust bundle: %w", err)
		}
		own = append(own, jpki.Anchor{Cert: cert, Hierarchy: a.Hierarchy, Purpose: a.Purpose})
	}
	return jpki.NewAnchors(own...)
}
