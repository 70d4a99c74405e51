package policy

import (
	"bytes"
	"cmp"
	"slices"

	"kazashi.example/reader/jpki"
)

// sortAnchors gives the bundle one order, so that an unchanged configuration makes an unchanged bundle.
func sortAnchors(as []jpki.Anchor) {
	slices.SortFunc(as, func(a, b jpki.Anchor) int {
		return cmp.Or(cmp.Compare(a.Hierarchy, b.Hierarchy), cmp.Compare(a.Purpose, b.Purpose),
			a.Cert.NotBefore.Compare(b.Cert.NotBefore), bytes.Compare(a.Cert.Raw, b.Cert.Raw))
	})
}
