package house_test

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kazashi.example/central/lab/house"
)

// files calls visit with each file that belongs to the repository, its name as a slash path from the top.
func files(t *testing.T, visit func(name string, content []byte)) {
	t.Helper()
	dir := os.DirFS(top(t))
	err := fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // another program's temporary file
		case err != nil:
			return err
		case e.IsDir() && slices.Contains([]string{".git", ".cache", ".demo", "bin"}, name):
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		content, err := fs.ReadFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			visit(name, content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range list(t) {
		if !p.Ours() {
			continue
		}
		comments, err := p.Comments()
		if err != nil {
			t.Error(err)
			continue
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments, want one", p.ImportPath, len(comments))
			continue
		}
		name := strings.TrimSuffix(p.Name, "_test")
		if p.Name != "main" && !strings.HasPrefix(comments[0], "Package "+name+" ") {
			t.Errorf("%s: package comment begins %.40q, want \"Package %s …\"", p.ImportPath, comments[0], name)
		}
	}
}

func TestCommentsAreCounted(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.go": "// Package p is one.\npackage p\n",
		"b.go": "//go:build linux\n\n// Package p is said twice.\npackage p\n",
		"c.go": "//go:build linux\n\npackage p\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		files []string
		want  int
	}{{[]string{"a.go"}, 1}, {[]string{"a.go", "b.go"}, 2}, {[]string{"c.go"}, 0}} {
		got, err := house.Package{Dir: dir, GoFiles: c.files}.Comments()
		if err != nil || len(got) != c.want {
			t.Errorf("Comments of %v = %q, %v, want %d", c.files, got, err, c.want)
		}
	}
}

// TestDesignNotes wants a DESIGN.md in each folder of code that is there.
func TestDesignNotes(t *testing.T) {
	for _, f := range house.Folders {
		dir := filepath.Join(top(t), f)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if st, err := os.Stat(filepath.Join(dir, "DESIGN.md")); err != nil || st.Size() < 500 {
			t.Errorf("%s/DESIGN.md is missing or says nothing", f)
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if stray := house.Stray(names); len(stray) > 0 {
		t.Errorf("%v may not stand at the top level", stray)
	}
	if got := house.Stray([]string{".ci", "reader", "scripts", "LICENSE", "docs"}); !slices.Equal(got, []string{"scripts", "docs"}) {
		t.Errorf("Stray = %v, want scripts and docs", got)
	}
}

// TestGoFilesPlace keeps Go files out of sync/ itself (its package would be called as the standard one) and out of testdata.
func TestGoFilesPlace(t *testing.T) {
	misplaced := func(name string) bool {
		dir := filepath.ToSlash(filepath.Dir(name))
		return strings.HasSuffix(name, ".go") && (dir == "." || slices.Contains(house.Folders, dir) && dir == "sync" ||
			strings.HasPrefix(name, "testdata/"))
	}
	files(t, func(name string, _ []byte) {
		if misplaced(name) {
			t.Errorf("%s: no Go file may stand there", name)
		}
	})
	for name, want := range map[string]bool{"sync/x.go": true, "sync/wire/x.go": false, "main.go": true, "testdata/a/x.go": true} {
		if got := misplaced(name); got != want {
			t.Errorf("misplaced(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestNoForbiddenWordsOrCalls(t *testing.T) {
	seen := 0
	files(t, func(name string, content []byte) {
		if house.Theirs(name) {
			return
		}
		found := house.Phrases(name, content)
		if strings.HasSuffix(name, ".go") {
			seen++
			calls, err := house.Calls(name, content)
			if err != nil {
				t.Error(err)
			}
			found = append(found, calls...)
		}
		for _, f := range found {
			t.Error(f)
		}
	})
	if seen < 10 {
		t.Errorf("looked at %d Go files, want all", seen)
	}
}

// The planted texts are built from halves, so that the search above does not find them here.
func TestForbiddenAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"// TO" + "DO: later":             1,
		"FIX" + "ME FIX" + "ME":           1, // one report a line
		"x := 1 // a 1 For n" + "ow":      1,
		"Accepted for n" + "ow":           0, // a sentence at the counter
		"see /wo" + "rk/x":                1,
		"/ho" + "me/taro/x":               1,
		"TODAY, before nowhere, /work":    0,
		"https://example.org/wo" + "rk/x": 0,
		"\x00TO" + "DO":                   0,
	} {
		if got := house.Phrases("f", []byte(text)); len(got) != want {
			t.Errorf("Phrases(%q) = %v, want %d", text, got, want)
		}
	}
	const head = "package p\nimport (\"testing\"; \"time\")\n"
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"p_test.go", head + "func TestX(t *testing.T) { t.Skip() }", 1},
		{"p_test.go", head + "func FuzzX(f *testing.F) { f.Skipf(``) }", 1},
		{"p_test.go", head + "var _ = testing.Short()", 1},
		{"p.go", head + "func f() { time.Sleep(1) }", 1},
		{"p_test.go", head + "func f() { time.Sleep(1) }", 1},
		{"p_test.go", head + "import _ \"testing/synctest\"\nfunc f() { time.Sleep(1) }", 0},
		{"p.go", head + "import _ \"testing/synctest\"\nfunc f() { time.Sleep(1) }", 1},
		{"p.go", head + "func f() { s.Skip(3); time.Now() }", 0},
	} {
		if got, err := house.Calls(c.name, []byte(c.text)); err != nil || len(got) != c.want {
			t.Errorf("Calls(%s, %q) = %v, %v, want %d", c.name, c.text, got, err, c.want)
		}
	}
}

// TestFuzzTargetsAreRun compares what `make fuzz` would run with the fuzz targets in the code. All stand in the plain lane, where
// their seeds run.
func TestFuzzTargetsAreRun(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "make", "-s", "fuzz-list")
	cmd.Dir = top(t)
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make fuzz-list: %v", err)
	}
	run := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		run[lines.Text()] = true
	}
	target := regexp.MustCompile(`(?m)^func\s+(Fuzz\w*)\s*\(`)
	tagged := regexp.MustCompile(`(?m)^//go:build `)
	files(t, func(name string, content []byte) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, m := range target.FindAllSubmatch(content, -1) {
			entry := "./" + filepath.ToSlash(filepath.Dir(name)) + " " + string(m[1])
			if !run[entry] {
				t.Errorf("make fuzz leaves out %s", entry)
			}
			delete(run, entry)
			if tagged.Match(content) {
				t.Errorf("%s: a fuzz target stands behind a build tag, so its seeds do not run in the plain lane", name)
			}
		}
	})
	for entry := range run {
		t.Errorf("make fuzz names %s, which is not there", entry)
	}
}
