// Package manifest says what a program is made of: its version, the revision it was built from, the Go release that built
// it and every module in it with its checksum. It reads this from the running program or from a built file; both come from
// what the Go linker wrote into the program, so the list cannot drift from the code.
//
// All functions are safe for concurrent use; nothing is written. A manifest proves nothing by itself: who may install a
// program is decided by signatures over its bytes, which this package does not look at.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format is the number of the JSON form. A change that an old reader would misread gets a new number; new fields do not.
const Format = 1

// maxBuilt is the year 9999 in Unix seconds: a later one cannot be written as RFC 3339.
const maxBuilt = 253370764800

// Unknown stands for a version that nobody stamped and Go does not know.
const Unknown = "unknown"

// Errors of ReadFile.
var (
	// ErrNotFile says that the path names something else than a regular file.
	ErrNotFile = errors.New("not a regular file")
	// ErrNotGo says that the file is not a program built by Go, or was stripped of its build information.
	ErrNotGo = errors.New("no Go build information in it")
	// ErrUnprintable says that the build information holds something else than printable UTF-8: nobody's linker wrote it,
	// and a terminal might obey it.
	ErrUnprintable = errors.New("its build information is not printable text")
)

// Stamped by the linker (-X, see the Makefile): Go's own VCS stamp is absent where builds are made without it.
var (
	version  string
	built    string // Unix seconds
	revision string
)

// Manifest lists what one program is made of. The zero value says that nothing is known.
type Manifest struct {
	Format   int       `json:"format"`             // Format
	Program  string    `json:"program"`            // the last element of Package
	Package  string    `json:"package"`            // import path of its main package
	Module   string    `json:"module"`             // path of its main module
	Version  string    `json:"version"`            // stamped version, else the module's, else Unknown
	Revision string    `json:"revision,omitempty"` // VCS commit, hexadecimal; empty if nobody knows
	Modified bool      `json:"modified"`           // built from a tree with changes that are in no commit
	Built    time.Time `json:"built,omitzero"`     // when that commit was made; zero if nobody stamped it
	Go       string    `json:"go"`                 // release of Go that built it
	OS       string    `json:"os,omitempty"`       // GOOS
	Arch     string    `json:"arch,omitempty"`     // GOARCH
	Cgo      bool      `json:"cgo"`                // built with cgo allowed
	SHA256   string    `json:"sha256,omitempty"`   // of the file, hexadecimal; only from ReadFile
	Modules  []Module  `json:"modules"`            // what was linked in, by path
}

// Module is one dependency.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"`     // as in go.sum ("h1:…"); empty for a module replaced by a folder
	Instead string `json:"instead,omitempty"` // the path and version that the code asked for, if go.mod replaces it
}

// Current describes the running program.
func Current() Manifest {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	m := fromBuildInfo(info)
	m.OS, m.Arch = runtime.GOOS, runtime.GOARCH
	m.stamp(version, revision, built)
	return m
}

// ReadFile describes the program in a file. It returns ErrNotFile, ErrNotGo, ErrUnprintable or the
// error of reading it.
func ReadFile(name string) (Manifest, error) {
	f, err := os.Open(name)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return Manifest{}, err
	} else if !st.Mode().IsRegular() {
		return Manifest{}, fmt.Errorf("reading %s: %w", name, ErrNotFile)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return Manifest{}, err
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		return Manifest{}, fmt.Errorf("reading %s: %w (%w)", name, ErrNotGo, err)
	}
	m, err := fromFile(info)
	if err != nil {
		return Manifest{}, fmt.Errorf("reading %s: %w", name, err)
	}
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return m, nil
}

// fromFile is fromBuildInfo for information that anyone may have written.
func fromFile(info *debug.BuildInfo) (Manifest, error) {
	m := fromBuildInfo(info)
	m.stamp(linkerValue(info, "version"), linkerValue(info, "revision"), linkerValue(info, "built"))
	words := []string{m.Package, m.Module, m.Version, m.Revision, m.Go, m.OS, m.Arch}
	for _, d := range m.Modules {
		words = append(words, d.Path, d.Version, d.Sum, d.Instead)
	}
	for _, w := range words {
		if !utf8.ValidString(w) || strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return Manifest{}, ErrUnprintable
		}
	}
	return m, nil
}

// JSON is the manifest as indented JSON with a final newline: the same program gives the same bytes.
func (m Manifest) JSON() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		panic("manifest: " + err.Error()) // strings, booleans and numbers always encode
	}
	return b.Bytes()
}

// String is one line for people: program, version, Go release and target.
func (m Manifest) String() string {
	return fmt.Sprintf("%s %s %s %s/%s", m.Program, m.Version, m.Go, m.OS, m.Arch)
}

func fromBuildInfo(info *debug.BuildInfo) Manifest {
	m := Manifest{
		Format:  Format,
		Program: path.Base(info.Path),
		Package: info.Path,
		Module:  info.Main.Path,
		Version: info.Main.Version,
		Go:      info.GoVersion,
		Modules: modules(info.Deps),
	}
	if m.Version == "" || m.Version == "(devel)" {
		m.Version = Unknown
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			m.Revision = s.Value
		case "vcs.modified":
			m.Modified = s.Value == "true"
		case "GOOS":
			m.OS = s.Value
		case "GOARCH":
			m.Arch = s.Value
		case "CGO_ENABLED":
			m.Cgo = s.Value == "1"
		}
	}
	return m
}

func modules(deps []*debug.Module) []Module {
	list := make([]Module, 0, len(deps))
	for _, d := range deps {
		m := Module{Path: d.Path, Version: d.Version, Sum: d.Sum}
		if r := d.Replace; r != nil {
			m = Module{Path: r.Path, Version: r.Version, Sum: r.Sum, Instead: strings.TrimSpace(d.Path + " " + d.Version)}
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Module) int { return strings.Compare(a.Path+" "+a.Version, b.Path+" "+b.Version) })
	return list
}

// stamp puts the linker's values over Go's own, which are absent or older.
func (m *Manifest) stamp(version, revision, built string) {
	if seconds, err := strconv.ParseInt(built, 10, 64); err == nil && seconds > 0 && seconds < maxBuilt {
		m.Built = time.Unix(seconds, 0).UTC()
	}
	if version != "" {
		m.Version = version
	}
	if commit, ok := strings.CutSuffix(revision, "+dirty"); commit != "" {
		m.Revision, m.Modified = commit, ok
	}
}
