package crl

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
)

// namedMissing is how many missing partitions an error names.
const namedMissing = 5

// IncompleteError says which partitions are missing. It is ErrIncomplete.
type IncompleteError struct {
	Scope   certid.Scope
	Have    int
	Want    int
	Missing []string // their sources, if it is known where they come from
}

// Error names some of them.
func (e *IncompleteError) Error() string {
	text := fmt.Sprintf("%v: %s has %d of %d", ErrIncomplete, e.Scope, e.Have, e.Want)
	if len(e.Missing) == 0 {
		return text
	}
	named := e.Missing[:min(len(e.Missing), namedMissing)]
	text += "; missing are " + strings.Join(named, ", ")
	if more := len(e.Missing) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Unwrap is ErrIncomplete.
func (*IncompleteError) Unwrap() error { return ErrIncomplete }

// fits returns ErrPartition unless a list is of the kind that its scope is made from.
func (s *Store) fits(of certid.Scope, point []byte) error {
	switch parts := s.Expect[of].partitioned(); {
	case parts && len(point) == 0:
		return fmt.Errorf("%w: a whole list of %s, which is configured to come in partitions", ErrPartition, of)
	case !parts && len(point) != 0:
		return fmt.Errorf("%w: one partition of %s, which is configured to come as one whole list", ErrPartition, of)
	}
	return nil
}

// usable are the parts that a set may be made from today: whole, of the kind that is configured, and signed by a key that is an anchor
// still.
func (s *Store) usable(sc *scope) []part {
	return slices.DeleteFunc(slices.Clone(sc.state.Parts), func(p part) bool {
		return p.Damaged || s.fits(sc.of, p.Row.Point) != nil || !s.believed(sc.of, p.Row)
	})
}

// believed reports whether the key that signed a list is an anchor of the scope.
func (s *Store) believed(of certid.Scope, r manifest.Row) bool {
	a, ok := s.Anchors.ByKey(keyID(r.Key))
	return ok && a.Scope() == of
}

// complete returns the parts of the next set, or an *IncompleteError.
func (s *Store) complete(sc *scope) ([]part, error) {
	parts, expect := s.usable(sc), s.Expect[sc.of]
	if len(expect.Sources) > 0 {
		return s.fromSources(sc.of, parts, expect.Sources)
	}
	if want := max(expect.Count, 1); len(parts) != want {
		return nil, &IncompleteError{Scope: sc.of, Have: len(parts), Want: want}
	}
	return parts, nil
}

// fromSources wants a partition from every source, the newest of those that came from it: an authority may rename what an address hands
// out. It leaves out those whose source is configured no more.
func (s *Store) fromSources(of certid.Scope, parts []part, sources []string) ([]part, error) {
	here := make(map[string]part, len(parts))
	for _, p := range parts {
		if old, twice := here[p.From]; !twice || p.newer(old) {
			here[p.From] = p
		}
	}
	want := make(map[string]bool, len(sources))
	var missing []string
	for _, from := range sources {
		want[from] = true
		if _, ok := here[from]; !ok {
			missing = append(missing, from)
		}
	}
	if len(missing) > 0 {
		return nil, &IncompleteError{Scope: of, Have: len(want) - len(missing), Want: len(want), Missing: missing}
	}
	return slices.DeleteFunc(parts, func(p part) bool { return !want[p.From] || !bytes.Equal(here[p.From].Row.Point, p.Row.Point) }), nil
}

// newer reports whether one of two lists from a source was made, or else taken, after the other.
func (p part) newer(than part) bool {
	return cmp.Or(cmp.Compare(p.Row.ThisUpdate, than.Row.ThisUpdate), cmp.Compare(p.Taken, than.Taken)) > 0
}

// issuers are the keys whose certificates an absence speaks of: those of the scope that are not newer than the oldest key among the
// signers. A newer generation may sign for older ones; that an older one knew what a newer one would issue cannot be. Which
// generation signs for which in the national hierarchy is not published, so this is the widest reading that can be right.
func (s *Store) issuers(of certid.Scope, table []manifest.Row) [][]byte {
	oldest := slices.MinFunc(table, func(a, b manifest.Row) int {
		return s.anchor(a).Cert.NotBefore.Compare(s.anchor(b).Cert.NotBefore)
	})
	var keys [][]byte
	for _, c := range s.Anchors.IssuerCerts(of) {
		if !c.NotBefore.After(s.anchor(oldest).Cert.NotBefore) {
			id := jpki.KeyIDOf(c)
			keys = append(keys, id[:])
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// anchor is the key that signed a believed row.
func (s *Store) anchor(r manifest.Row) jpki.Anchor {
	a, _ := s.Anchors.ByKey(keyID(r.Key))
	return a
}

func keyID(b []byte) (id certid.KeyID) {
	copy(id[:], b)
	return id
}

// rowsOf is the table of a set.
func rowsOf(parts []part) []manifest.Row {
	rows := make([]manifest.Row, len(parts))
	for i, p := range parts {
		rows[i] = p.Row
	}
	slices.SortFunc(rows, func(a, b manifest.Row) int {
		return cmp.Or(bytes.Compare(a.Point, b.Point), bytes.Compare(a.Key, b.Key))
	})
	return rows
}
