package house_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kazashi.example/central/lab/house"
)

// root is the top of this checkout, as the go command sees it.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
})

func top(t *testing.T) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatalf("finding the module: %v", err)
	}
	return dir
}

// list is the whole module with the files of both lanes.
func list(t *testing.T) []house.Package {
	t.Helper()
	pkgs, err := house.List(t.Context(), top(t), "integration")
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, p := range pkgs {
		if p.Ours() {
			ours++
		}
	}
	if ours < 3 {
		t.Fatalf("the go command lists %d packages of ours, want the whole module", ours)
	}
	return pkgs
}

func TestBroken(t *testing.T) {
	for _, p := range plants {
		e := house.Edge{Importer: full(p.importer), Imported: full(p.imported), Test: p.test}
		why, broken := house.Broken(e)
		if broken != p.broken || broken && why == "" {
			t.Errorf("Broken(%v) = %q, %v, want %v and a reason", e, why, broken, p.broken)
		}
	}
	for _, c := range []struct {
		edge   house.Edge
		broken bool
	}{
		{house.Edge{Importer: full("reader/pcsc"), Imported: "C"}, false},
		{house.Edge{Importer: full("reader/apdu"), Imported: "C"}, true},
		{house.Edge{Importer: full("sync/record"), Imported: "encoding/hex"}, false},
		{house.Edge{Importer: full("sync/record"), Imported: "github.com/google/uuid"}, true},
		{house.Edge{Importer: full("sync/wire"), Imported: "github.com/fxamacker/cbor/v2"}, false},
		{house.Edge{Importer: full("firmware/command"), Imported: "os/signal"}, false},
		{house.Edge{Importer: full("firmware/command"), Imported: "github.com/spf13/cobra"}, false},
		{house.Edge{Importer: full("firmware/command"), Imported: "golang.org/x/term"}, false},
		{house.Edge{Importer: full("firmware/command"), Imported: "github.com/spf13/pflag"}, true},
		{house.Edge{Importer: full("firmware/command"), Imported: "github.com/rogpeppe/go-internal/testscript", Test: true}, false},
		{house.Edge{Importer: full("firmware/command/commandtest"), Imported: "github.com/spf13/pflag"}, false},
		{house.Edge{Importer: full("central/lab/e2e"), Imported: full("appliance/internal/app"), Test: true}, true},
		{house.Edge{Importer: full("central/lab/e2e"), Imported: full("reader/pcsc"), Test: true}, false},
		{house.Edge{Importer: full("extras/thing"), Imported: "fmt"}, true}, // a folder that no row knows
		{house.Edge{Importer: "example.org/other", Imported: full("sync/certid")}, false},
	} {
		if why, broken := house.Broken(c.edge); broken != c.broken {
			t.Errorf("Broken(%v) = %q, %v, want %v", c.edge, why, broken, c.broken)
		}
	}
}

// TestImports applies the table to every import of the module, in both lanes.
func TestImports(t *testing.T) {
	for _, p := range list(t) {
		if !p.Ours() {
			continue
		}
		for _, e := range p.Edges() {
			if why, broken := house.Broken(e); broken {
				t.Errorf("%v: %s", e, why)
			}
		}
	}
}

func TestReaches(t *testing.T) {
	never := house.Never{From: "localapi", To: "sync/certid", Except: "localapi/tools"}
	deps := []string{"fmt", full("sync/record"), full("sync/certid"), full("sync/certidx")}
	for _, c := range []struct {
		from string
		want []string
	}{
		{"localapi/page", []string{full("sync/certid")}},
		{"localapi/tools/x", nil},
		{"appliance/tap", nil},
	} {
		if got := never.Reaches(full(c.from), deps); !slices.Equal(got, c.want) {
			t.Errorf("Reaches(%s) = %v, want %v", c.from, got, c.want)
		}
	}
}

// TestNevers follows the imports of shipped code all the way (P3: localapi cannot even express a serial).
func TestNevers(t *testing.T) {
	for _, p := range list(t) {
		if !p.Ours() {
			continue
		}
		for _, n := range house.Nevers {
			for _, found := range n.Reaches(p.ImportPath, p.Deps) {
				t.Errorf("%s reaches %s: %s", p.ImportPath, found, n.Why)
			}
		}
	}
}

// TestCgo finds cgo by the files themselves, whoever wrote them: only reader/pcsc may stand directly above such a package, and the
// folders that build with CGO_ENABLED=0 never reach one.
func TestCgo(t *testing.T) {
	pkgs := list(t)
	cgo := map[string]bool{}
	for _, p := range pkgs {
		if !p.Standard && len(p.CgoFiles) > 0 {
			cgo[p.ImportPath] = true
		}
	}
	for _, p := range pkgs {
		if !p.Ours() {
			continue
		}
		if cgo[p.ImportPath] && p.ImportPath != full("reader/pcsc") {
			t.Errorf("%s has cgo files %v: reader/pcsc is the only cgo package", p.ImportPath, p.CgoFiles)
		}
		for _, i := range p.Imports {
			if cgo[i] && i != full("reader/pcsc") && p.ImportPath != full("reader/pcsc") {
				t.Errorf("%s imports %s, which has cgo files: only reader/pcsc may", p.ImportPath, i)
			}
		}
		folder, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, house.Module+"/"), "/")
		if !slices.Contains(house.Pure, folder) {
			continue
		}
		for _, d := range p.Deps {
			if cgo[d] {
				t.Errorf("%s reaches %s, which has cgo files: %s builds with CGO_ENABLED=0", p.ImportPath, d, folder)
			}
		}
	}
}
