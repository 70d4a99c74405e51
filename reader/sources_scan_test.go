package reader_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scope is what the files of one package call applications and files.
type scope struct {
	apps map[string]string // name → application in the words of SOURCES.md
	efs  map[string]string // name → EF
}

// claims finds what one file states. Names are looked up in all files of its folder.
func claims(t *testing.T, doc *sources, dir, name string, src []byte) []claim {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := doc.scopes[dir]
	if !ok {
		s = &scope{apps: map[string]string{}, efs: map[string]string{}}
		doc.scopes[dir] = s
		others, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			if f, err := parser.ParseFile(set, o, nil, parser.SkipObjectResolution); err == nil {
				s.learn(doc, f)
			}
		}
		s.learn(doc, file)
	}
	x := &scan{set: set, scope: s}
	ast.Inspect(file, x.visit)
	return x.found
}

// learn notes names of applications and of files.
func (s *scope) learn(doc *sources, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok {
				if app := doc.apps[octets(n.Value)]; app != "" {
					s.apps[id.Name] = app
				}
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if i >= len(n.Values) {
					break
				}
				if app := doc.apps[octets(n.Values[i])]; app != "" {
					s.apps[id.Name] = app
				}
				if ef := fileID(n.Values[i]); ef != "" {
					s.efs[id.Name] = ef
				}
			}
		}
		return true
	})
}

// octets is a byte slice or text written out that may be an application identifier, in hex; empty for anything else.
func octets(e ast.Expr) string {
	var b []byte
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); e.Kind == token.STRING && err == nil {
			b = []byte(s)
		}
	case *ast.CompositeLit:
		for _, x := range e.Elts {
			n, ok := number(x)
			if !ok || n > 0xFF {
				return ""
			}
			b = append(b, byte(n))
		}
	}
	// Those of the card begin with D3 (national), A0 (international) or F0 (unregistered), ISO/IEC 7816-4 §8.2.1.2.
	if len(b) < 5 || len(b) > 16 || b[0] != 0xD3 && b[0] != 0xA0 && b[0] != 0xF0 {
		return ""
	}
	return fmt.Sprintf("%X", b)
}

// number reads an integer literal, also one that is converted.
func number(e ast.Expr) (uint64, bool) {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 {
		e = call.Args[0]
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.INT {
		return 0, false
	}
	n, err := strconv.ParseUint(lit.Value, 0, 64)
	return n, err == nil
}

var fourDigits = regexp.MustCompile(`^0[xX]00[01][0-9A-Fa-f]$`)

// fileID is a file's identifier, which this code writes with four hex digits; empty for anything else, and for 0000.
func fileID(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || !fourDigits.MatchString(lit.Value) || lit.Value[2:] == "0000" {
		return ""
	}
	return strings.ToUpper(lit.Value[2:])
}

// scan goes through one file.
type scan struct {
	set   *token.FileSet
	scope *scope
	found []claim
}

func (x *scan) add(n ast.Node, kind, app, value string) {
	p := x.set.Position(n.Pos())
	x.found = append(x.found, claim{kind, app, value, fmt.Sprintf("%s:%d", p.Filename, p.Line)})
}

func (x *scan) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BasicLit:
		if aid := octets(n); aid != "" {
			x.add(n, "AID", "", aid)
		}
		if ef := fileID(n); ef != "" {
			x.add(n, "EF", "", ef)
		}
	case *ast.CompositeLit:
		if aid := octets(n); aid != "" {
			x.add(n, "AID", "", aid)
		}
		x.filesOf(n)
	case *ast.FuncDecl:
		x.application(n)
	case *ast.ValueSpec:
		x.constant(n)
	case *ast.KeyValueExpr:
		if v, ok := number(n.Value); ok && isName(n.Key, "INS") {
			x.add(n, "INS", "", fmt.Sprintf("%02X", v))
		}
	case *ast.CallExpr:
		x.call(n)
	}
	return true
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// filesOf finds files beside an application: {JPKI, …, efAuthCert}, {jpki, 0x000A}.
func (x *scan) filesOf(n *ast.CompositeLit) {
	var app string
	for _, e := range n.Elts {
		if id, ok := e.(*ast.Ident); ok && x.scope.apps[id.Name] != "" {
			app = x.scope.apps[id.Name]
		}
	}
	if app == "" {
		return
	}
	for _, e := range n.Elts {
		ef := fileID(e)
		if id, ok := e.(*ast.Ident); ok && x.scope.efs[id.Name] != "" {
			ef = x.scope.efs[id.Name]
		}
		if ef != "" {
			x.add(e, "EF", app, ef)
		}
	}
}

// application finds the files that a function lays out for the one application that it makes.
func (x *scan) application(f *ast.FuncDecl) {
	var apps []string
	var files []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if id, ok := n.Value.(*ast.Ident); ok && isName(n.Key, "aid") && x.scope.apps[id.Name] != "" {
				apps = append(apps, x.scope.apps[id.Name])
			}
		case *ast.BasicLit:
			if fileID(n) != "" {
				files = append(files, n)
			}
		}
		return true
	})
	if len(apps) != 1 {
		return
	}
	for _, n := range files {
		if lit, ok := n.(*ast.BasicLit); ok {
			x.add(n, "EF", apps[0], fileID(lit))
		}
	}
}

var (
	insName = regexp.MustCompile(`^[iI]ns[A-Z]`)
	swName  = regexp.MustCompile(`^(SW|sw)[A-Z]`)
	tagName = regexp.MustCompile(`^[tT]ag[A-Z]`)
)

// constant finds instructions, status words and tags by their names and types.
func (x *scan) constant(n *ast.ValueSpec) {
	typed := typeName(n.Type)
	for i, id := range n.Names {
		if i >= len(n.Values) {
			return
		}
		v, ok := number(n.Values[i])
		if !ok {
			continue
		}
		switch {
		case insName.MatchString(id.Name):
			x.add(id, "INS", "", fmt.Sprintf("%02X", v))
		case swName.MatchString(id.Name) || typed == "StatusWord":
			x.add(id, "SW", "", fmt.Sprintf("%04X", v))
		case tagName.MatchString(id.Name) || typed == "Tag":
			x.add(id, "TAG", "", fmt.Sprintf("%02X", v))
		}
	}
}

// call finds tags that are made or written without a name.
func (x *scan) call(n *ast.CallExpr) {
	switch name := typeName(n.Fun); {
	case name == "Tag" && len(n.Args) == 1:
		if v, ok := number(n.Args[0]); ok {
			x.add(n, "TAG", "", fmt.Sprintf("%02X", v))
		}
	case name == "Append" && len(n.Args) > 1:
		if v, ok := number(n.Args[1]); ok {
			x.add(n, "TAG", "", fmt.Sprintf("%02X", v))
		}
	}
}

// typeName is the last word of a type or function: StatusWord of apdu.StatusWord.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
