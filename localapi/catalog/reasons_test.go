package catalog_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/localapi/catalog"
	"kazashi.example/sync/record"
)

const root = "../.." // of the module

// P6: every reason that the source declares has a test beside its number, a sentence of its own in both languages, and one row in each
// README's table of verdicts.
func TestP6EveryReasonOfTheSourceIsTestedSaidAndListed(t *testing.T) {
	names, words := reasonsDeclared(t)
	tests := testSources(t)
	tables := []string{"README.md", "README.ja.md"}
	for _, name := range names {
		word := words[name]
		var r record.Reason
		if err := r.UnmarshalText([]byte(word)); err != nil {
			t.Errorf("%s: the source gives it the word %q: %v", name, word, err)
			continue
		}
		checkSentence(t, name, catalog.Reason(r))
		if !bytes.Contains(tests, []byte("record."+name)) {
			t.Errorf("no test of the gate, the tap or the opener names record.%s", name)
		}
		for _, table := range tables {
			if n := rows(t, table)[word]; n != 1 {
				t.Errorf("%s has %d rows for %q in its table of verdicts, want 1", table, n, word)
			}
		}
	}
	for _, table := range tables {
		if n := len(rows(t, table)); n != len(names) {
			t.Errorf("%s lists %d reasons, the source has %d", table, n, len(names))
		}
	}
	t.Logf("%d reasons, each with its tests, sentences and rows", len(names))
}

// reasonsDeclared are the constants of type Reason and their words, as the source of package record declares them.
func reasonsDeclared(t *testing.T) (names []string, words map[string]string) {
	t.Helper()
	words = map[string]string{}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "sync/record/words.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Reason" {
				names = append(names, n.Names[0].Name)
			}
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok && strings.HasPrefix(id.Name, "Reason") {
				words[id.Name] = strings.Trim(n.Value.(*ast.BasicLit).Value, `"`)
			}
		}
		return true
	})
	if len(names) < 30 {
		t.Fatalf("found %d reasons in the source: %q", len(names), names)
	}
	return names, words
}

// testSources is the text of the tests in which a reason can be the outcome of something.
func testSources(t *testing.T) (all []byte) {
	t.Helper()
	for _, dir := range []string{"sync/gate", "sync/record", "appliance/tap", "central/opener"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			all = append(all, b...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// rows counts the rows of a README's table of verdicts by the word in their first column.
func rows(t *testing.T, readme string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, readme))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(section(string(b))) {
		if word, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			found[word]++
		}
	}
	return found
}

// section is the one of verdicts.
func section(readme string) string {
	for _, heading := range []string{"\n## Verdicts\n", "\n## 判定\n"} {
		if _, rest, ok := strings.Cut(readme, heading); ok {
			body, _, _ := strings.Cut(rest, "\n## ")
			return body
		}
	}
	return ""
}
