package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// phrases are what no file may hold. Each is written in two halves, so that this file holds none.
var phrases = []struct {
	text *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`), "what is missing is an issue, not a remark"},
	{regexp.MustCompile(`(?i)//.*\bfor n` + `ow\b|\bin a real s` + `ystem\b|\bnot (yet )?imple` + `mented yet\b`), "what is there is meant to stay"},
	{regexp.MustCompile(`(^|[^\w./])/(wo` + `rk|ho` + `me/\w+|ro` + `ot)/\w`), "a path of one machine"},
}

// Phrases finds forbidden phrases in a text file: "name:line: what: why". It returns nil for bytes that are not text.
func Phrases(name string, content []byte) (found []string) {
	if bytes.IndexByte(content, 0) >= 0 {
		return nil
	}
	for i, line := range bytes.Split(content, []byte("\n")) {
		for _, p := range phrases {
			if hit := p.text.Find(line); hit != nil {
				found = append(found, fmt.Sprintf("%s:%d: %q: %s", name, i+1, hit, p.why))
			}
		}
	}
	return found
}

// Calls finds forbidden calls in a Go file: tests that give up (Skip) and waiting by the clock (time.Sleep; a test inside a
// synctest bubble may, where it costs no time). An error says that the file is not Go.
func Calls(name string, content []byte) (found []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading calls: %w", err)
	}
	bubble := strings.HasSuffix(name, "_test.go") && slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"testing/synctest"`
	})
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if why := badCall(call, bubble); why != "" {
			found = append(found, fmt.Sprintf("%s: %s", fset.Position(call.Pos()), why))
		}
		return true
	})
	return found, nil
}

func badCall(s *ast.SelectorExpr, bubble bool) string {
	x, ok := s.X.(*ast.Ident)
	switch {
	case !ok:
		return ""
	case x.Name == "time" && s.Sel.Name == "Sleep" && !bubble:
		return "waits by the clock: use a channel, a ticker with a context, or synctest"
	case slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name):
		return "a test that gives up: a missing component is a failure"
	case x.Name == "testing" && s.Sel.Name == "Short":
		return "a test that gives up: the lanes are build tags"
	}
	return ""
}

// topLevel is what may stand beside dot-files at the top of the repository; bin is built and git-ignored.
var topLevel = []string{
	"LICENSE", "Makefile", "README.ja.md", "README.md", "appliance", "bin", "central", "firmware", "go.mod", "go.sum",
	"localapi", "reader", "sync", "testdata",
}

// Folders are the top-level folders that hold code, each with a DESIGN.md.
var Folders = []string{"appliance", "central", "firmware", "localapi", "reader", "sync"}

// Stray returns the names that may not stand at the top level.
func Stray(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.HasPrefix(n, ".") || slices.Contains(topLevel, n)
	})
}

// Theirs reports whether a file (slash path from the top) was made elsewhere, so that our words do not bind it: vendored
// assets, and inputs that a fuzzer found.
func Theirs(name string) bool {
	dirs := strings.Split(path.Dir(name), "/")
	return slices.Contains(dirs, "vendor") || slices.Contains(dirs, "third_party") || strings.HasSuffix(name, ".min.js") ||
		strings.Contains(name, "testdata/fuzz/")
}
