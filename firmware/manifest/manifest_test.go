package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"kazashi.example/firmware/manifest"
)

// build is what `go version -m` prints of a program, less its first line; here an example with a replaced module.
const build = `path	kazashi.example/appliance/cmd/kazashi
mod	kazashi.example	(devel)
dep	golang.org/x/sys	v0.49.0	h1:zzz=
dep	example.org/b	v1.0.0
=>	example.org/fork	v1.0.1	h1:fork=
dep	example.org/a	v0.1.0	h1:aaa=
build	-ldflags="-X kazashi.example/firmware/manifest.version=v1.2.3 -X kazashi.example/firmware/manifest.revision=c0ffee+dirty"
build	CGO_ENABLED=1
build	GOARCH=arm64
build	GOOS=linux
`

func parse(t *testing.T, text string) manifest.Manifest {
	t.Helper()
	info, err := debug.ParseBuildInfo(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.FromFile(info)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFromFile(t *testing.T) {
	want := manifest.Manifest{
		Format: 1, Program: "kazashi", Package: "kazashi.example/appliance/cmd/kazashi", Module: "kazashi.example",
		Version: "v1.2.3", Revision: "c0ffee", Modified: true, OS: "linux", Arch: "arm64", Cgo: true,
		Modules: []manifest.Module{
			{Path: "example.org/a", Version: "v0.1.0", Sum: "h1:aaa="},
			{Path: "example.org/fork", Version: "v1.0.1", Sum: "h1:fork=", Instead: "example.org/b v1.0.0"},
			{Path: "golang.org/x/sys", Version: "v0.49.0", Sum: "h1:zzz="},
		},
	}
	if got := parse(t, build); !reflect.DeepEqual(got, want) {
		t.Errorf("manifest = %+v, want %+v", got, want)
	}
}

func TestVersionPrecedence(t *testing.T) {
	const stamp = "build\t-ldflags=\"-X kazashi.example/firmware/manifest.version=v9.0.0\"\n"
	const vcs = "build\tvcs.revision=abc\nbuild\tvcs.modified=true\n"
	for _, c := range []struct{ name, text, version, revision string }{
		{"nobody knows", "mod\tkazashi.example\t(devel)\n", manifest.Unknown, ""},
		{"module version", "mod\tkazashi.example\tv1.0.0\th1:x=\n", "v1.0.0", ""},
		{"Go's stamp", "mod\tkazashi.example\tv1.0.0\th1:x=\n" + vcs, "v1.0.0", "abc"},
		{"ours above Go's", "mod\tkazashi.example\tv1.0.0\th1:x=\n" + stamp + vcs, "v9.0.0", "abc"},
		{"the same name in another package", "build\t-ldflags=\"-X other/manifest.version=v9.0.0\"\n", manifest.Unknown, ""},
	} {
		m := parse(t, "path\tp\n"+c.text)
		if m.Version != c.version || m.Revision != c.revision {
			t.Errorf("%s: version, revision = %q, %q, want %q, %q", c.name, m.Version, m.Revision, c.version, c.revision)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		flags string
		want  []string
	}{
		{"", nil},
		{"  ", nil},
		{"-s -w", []string{"-s", "-w"}},
		{"-X a=b  \t-w", []string{"-X", "a=b", "-w"}},
		{`-X 'a=b c' -w`, []string{"-X", "a=b c", "-w"}},
		{`"-X" "a='b'"`, []string{"-X", "a='b'"}},
		{`'open`, []string{"open"}},
	} {
		if got := manifest.Words(c.flags); !slices.Equal(got, c.want) {
			t.Errorf("words(%q) = %q, want %q", c.flags, got, c.want)
		}
	}
}

// The test's own binary is a built file: what it says of itself and what its file says agree.
func TestCurrentAgreesWithFile(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := manifest.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if len(file.SHA256) != 64 {
		t.Errorf("SHA256 = %q, want 64 digits", file.SHA256)
	}
	file.SHA256 = ""
	self := manifest.Current()
	if !reflect.DeepEqual(self, file) {
		t.Errorf("Current() = %+v, want what its file says: %+v", self, file)
	}
	if self.Go != runtime.Version() || self.Arch != runtime.GOARCH {
		t.Errorf("Current() = %v, want Go %s on %s", self, runtime.Version(), runtime.GOARCH)
	}
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want error
	}{
		{filepath.Join(dir, "absent"), os.ErrNotExist},
		{dir, manifest.ErrNotFile},
		{"/dev/null", manifest.ErrNotFile},
		{text, manifest.ErrNotGo},
	} {
		if _, err := manifest.ReadFile(c.name); !errors.Is(err, c.want) {
			t.Errorf("ReadFile(%s) = %v, want %v", c.name, err, c.want)
		}
	}
}

func TestFromFileRefusesUnprintable(t *testing.T) {
	for _, text := range []string{
		"path\tp\x1b[2J\n",
		"path\t\xff\n",
		"path\tp\ndep\tgood\tv1\u202e\n",
		"path\tp\nbuild\t-ldflags=\"-X kazashi.example/firmware/manifest.version=\\x00\"\n",
	} {
		info, err := debug.ParseBuildInfo(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := manifest.FromFile(info); !errors.Is(err, manifest.ErrUnprintable) {
			t.Errorf("FromFile(%q) = %v, want %v", text, err, manifest.ErrUnprintable)
		}
	}
}

func TestJSON(t *testing.T) {
	m := parse(t, build)
	b := m.JSON()
	var back manifest.Manifest
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("JSON reads back as %+v, %v, want %+v", back, err, m)
	}
	want := "{\n  \"format\": 1,\n  \"program\": \"kazashi\",\n"
	if !strings.HasPrefix(string(b), want) || !bytes.HasSuffix(b, []byte("]\n}\n")) {
		t.Errorf("JSON = %s, want it to begin with %s", b, want)
	}
}

// FuzzFromFile gives any text that Go accepts as build information: no panic, and one JSON form or a refusal.
func FuzzFromFile(f *testing.F) {
	f.Add(build)
	f.Add("")
	f.Add("path\tp\nbuild\t-ldflags='-X \"\n")
	f.Add("dep\ta\tv1\n=>\tb\n")
	f.Fuzz(func(t *testing.T, text string) {
		info, err := debug.ParseBuildInfo(text)
		if err != nil {
			return
		}
		m, err := manifest.FromFile(info)
		if errors.Is(err, manifest.ErrUnprintable) {
			return
		}
		if err != nil {
			t.Fatalf("FromFile = %v, want nil or ErrUnprintable", err)
		}
		first := m.JSON()
		var back manifest.Manifest
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatalf("own JSON does not parse: %v\n%s", err, first)
		}
		if second := back.JSON(); !bytes.Equal(first, second) {
			t.Fatalf("JSON changes when read back:\n%s\n%s", first, second)
		}
	})
}
