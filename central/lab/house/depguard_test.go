//go:build integration

package house_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/lab/house"
)

// TestPlantedBreaks writes every plant as real packages of a module with this module's linter configuration, and wants the same
// answer from golangci-lint's depguard and from the checker over `go list`: each break found with a reason, nothing else.
func TestPlantedBreaks(t *testing.T) {
	dir := plantModule(t)
	want := map[string]bool{}
	for i, p := range plants {
		if p.broken {
			want[plantFile(i)] = true
		}
	}
	linter := depguard(t, dir)
	for i := range plants {
		name := plantFile(i)
		if _, found := linter[name]; found != want[name] {
			t.Errorf("depguard on %+v = %q, want broken %v", plants[i], linter[name], want[name])
		}
		delete(linter, name)
	}
	for name, text := range linter {
		t.Errorf("depguard reports %s, which nobody planted: %s", name, text)
	}
	compareChecker(t, dir)
}

// compareChecker runs the checker over the planted module as the go command lists it.
func compareChecker(t *testing.T, dir string) {
	t.Helper()
	pkgs, err := house.List(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[house.Edge]bool{}, map[house.Edge]bool{}
	for _, p := range pkgs {
		for _, e := range p.Edges() {
			if _, broken := house.Broken(e); broken && p.Ours() {
				got[e] = true
			}
		}
	}
	for i, p := range plants {
		if p.broken {
			want[house.Edge{Importer: full(plantPackage(i)), Imported: full(p.imported), Test: p.test}] = true
		}
	}
	for e := range want {
		if !got[e] {
			t.Errorf("the checker misses the planted %v", e)
		}
		delete(got, e)
	}
	for e := range got {
		t.Errorf("the checker reports %v, which nobody planted", e)
	}
}

// plantPackage is where plant i stands: a package below its importer, or the importer itself where the rule is about one package.
func plantPackage(i int) string {
	switch p := plants[i].importer; p {
	case "sync/certid", "sync/record":
		return p
	default:
		return fmt.Sprintf("%s/plant%d", p, i)
	}
}

func plantFile(i int) string {
	suffix := ".go"
	if plants[i].test {
		suffix = "_test.go"
	}
	return path.Join(plantPackage(i), fmt.Sprintf("plant%d%s", i, suffix))
}

// plantModule makes a module of this module's name that holds the plants, what they import, and our linter configuration.
func plantModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(filepath.Join(top(t), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	put(".golangci.yml", string(config))
	put("go.mod", "module "+house.Module+"\n\ngo 1.26.0\n\nrequire github.com/ebfe/scard v0.0.0\n\nreplace github.com/ebfe/scard => ./.scard\n")
	put(".scard/go.mod", "module github.com/ebfe/scard\n")
	put(".scard/scard.go", "// Package scard stands in for the binding to PC/SC.\npackage scard\n")
	for i, p := range plants {
		name := path.Base(plantPackage(i))
		put(path.Join(plantPackage(i), "doc.go"), "package "+name+"\n")
		put(plantFile(i), "package "+name+"\n\nimport _ \""+full(p.imported)+"\"\n")
		if !strings.Contains(p.imported, ".") {
			put(path.Join(p.imported, "doc.go"), "package "+path.Base(p.imported)+"\n")
		}
	}
	return dir
}

// depguard runs the pinned linter on the module and returns what it reports, by file.
func depguard(t *testing.T, dir string) map[string]string {
	t.Helper()
	linter := filepath.Join(top(t), ".cache", "bin", "golangci-lint")
	cmd := exec.CommandContext(t.Context(), linter, "run", "--enable-only", "depguard", "--allow-parallel-runners",
		"--max-issues-per-linter", "0", "--max-same-issues", "0", "--output.json.path", "stdout", "--show-stats=false", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 1: // there are findings
	case err != nil:
		t.Fatalf("running golangci-lint (make tools builds it): %v\n%s", err, stderr.String())
	default:
		t.Fatal("golangci-lint accepts the planted breaks")
	}
	var report struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct{ Filename string }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("reading golangci-lint's report: %v\n%s", err, out)
	}
	found := map[string]string{}
	for _, i := range report.Issues {
		if i.FromLinter != "depguard" {
			t.Fatalf("golangci-lint reports %s: %s", i.Pos.Filename, i.Text)
		}
		name := filepath.ToSlash(i.Pos.Filename)
		words := strings.HasPrefix(name, "sync/certid/") || strings.HasPrefix(name, "sync/record/")
		if !words && !strings.Contains(i.Text, "': ") { // a list that only allows has no place for a reason
			t.Errorf("depguard gives no reason on %s: %s", name, i.Text)
		}
		t.Logf("%s: %s", name, i.Text)
		found[name] = i.Text
	}
	return found
}
