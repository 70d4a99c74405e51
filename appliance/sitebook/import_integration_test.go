//go:build integration

package sitebook_test

import (
	"testing"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
)

// A city's hundred thousand links are one file.
func TestImportOfAHundredThousand(t *testing.T) {
	const people = 100_000
	w := newWorld(t)
	b := w.open()
	n := crowd(t, people)
	r := take(t, b, n, file(people), localapi.Import{})
	if r.Linked != people || len(r.Faults) != 0 {
		t.Fatalf("Import = %d linked, %d faults, want %d", r.Linked, len(r.Faults), people)
	}
	if got, known, err := b.Number(t.Context(), loan, n.people["P-99999"]); got != "L-99999" || known != sitebook.Linked || err != nil {
		t.Errorf("Number = %q, %d, %v, want the last", got, known, err)
	}
}
