package house

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is what the go command says of one package; names as in `go help list`.
type Package struct {
	Dir          string
	ImportPath   string
	Name         string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// Ours reports whether the package is of this module.
func (p Package) Ours() bool {
	return p.ImportPath == Module || strings.HasPrefix(p.ImportPath, Module+"/")
}

// List asks the go command for the packages of the module in dir and all that they need, with cgo on whatever the
// environment says. A package that does not compile is listed all the same.
func List(ctx context.Context, dir string, tags ...string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-tags", strings.Join(tags, ","), "-json=Dir,ImportPath,Name,"+
		"Standard,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w: %s", err, stderr.String())
	}
	var list []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		list = append(list, p)
	}
}

// Edges are the imports that the package's own files declare.
func (p Package) Edges() (edges []Edge) {
	for _, i := range p.Imports {
		edges = append(edges, Edge{Importer: p.ImportPath, Imported: i})
	}
	for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
		edges = append(edges, Edge{Importer: p.ImportPath, Imported: i, Test: true})
	}
	return edges
}

// Comments are the package's package comments, one for each file that has one. Test files count only where there is nothing else.
func (p Package) Comments() (comments []string, err error) {
	files := slices.Concat(p.GoFiles, p.CgoFiles)
	if len(files) == 0 {
		files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("reading the package comment: %w", err)
		}
		if text := strings.TrimSpace(f.Doc.Text()); text != "" {
			comments = append(comments, text)
		}
	}
	return comments, nil
}
