package repotest_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository.
const root = "../../.."

const (
	maxFile = 600 // lines
	maxFunc = 120
)

// A source is one Go file.
type source struct {
	name string // below root, with slashes
	text []byte
	fset *token.FileSet
	file *ast.File
}

// isTest says whether it is a test, or a package that only tests use.
func (s *source) isTest() bool {
	return strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.name, "internal/test/") || strings.Contains(s.name, "/testdata/")
}

func (s *source) pos(n ast.Node) token.Position { return s.fset.Position(n.Pos()) }

func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		s := &source{name: name, fset: token.NewFileSet()}
		var err error
		if s.text, err = os.ReadFile(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		if s.file, err = parser.ParseFile(s.fset, name, s.text, parser.ParseComments); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// files returns every file of the repository but what git has for itself and what make builds.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "dist"):
			return fs.SkipDir
		case d.Type().IsRegular() && rel != ".git":
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil || len(all) < 50 {
		t.Fatalf("%d files found: %v", len(all), err)
	}
	return all
}

func TestFormat(t *testing.T) {
	for _, s := range sources(t) {
		formatted, err := format.Source(s.text)
		if err != nil || !bytes.Equal(formatted, s.text) {
			t.Errorf("%s is not formatted (%v)", s.name, err)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", s.name, n, maxFile)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := s.fset.Position(f.End()).Line - s.pos(f).Line + 1; n > maxFunc {
					t.Errorf("%v: %s has %d lines, more than %d", s.pos(f), f.Name.Name, n, maxFunc)
				}
			}
		}
	}
}

// TestDocumented wants a comment on every exported name and field, in internal packages too, and on every package.
func TestDocumented(t *testing.T) {
	packages := make(map[string]bool) // whether a file has the package's comment
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") || strings.Contains(s.name, "/testdata/") {
			continue
		}
		dir := filepath.Dir(s.name)
		packages[dir] = packages[dir] || s.file.Doc != nil
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				wellKnown := d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "Unwrap")
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !wellKnown {
					t.Errorf("%v: %s has no comment", s.pos(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					documentedSpec(t, s, d, spec)
				}
			}
		}
	}
	for dir, ok := range packages {
		if !ok {
			t.Errorf("package %s has no comment", dir)
		}
	}
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func documentedSpec(t *testing.T, s *source, d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		if spec.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
			t.Errorf("%v: %s has no comment", s.pos(spec), spec.Name.Name)
		}
		switch typ := spec.Type.(type) {
		case *ast.StructType:
			documentedFields(t, s, spec.Name.Name, typ.Fields.List)
		case *ast.InterfaceType:
			documentedFields(t, s, spec.Name.Name, typ.Methods.List)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
				t.Errorf("%v: %s has no comment", s.pos(name), name.Name)
			}
		}
	}
}

// documentedFields lets one comment stand for fields that follow it without a blank line in between.
func documentedFields(t *testing.T, s *source, typ string, fields []*ast.Field) {
	documented, last := false, 0
	for _, f := range fields {
		line := s.pos(f).Line
		documented = f.Doc != nil || f.Comment != nil || documented && line == last+1
		last = s.fset.Position(f.End()).Line
		for _, name := range f.Names {
			if name.IsExported() && !documented {
				t.Errorf("%v: %s.%s has no comment", s.pos(name), typ, name.Name)
			}
		}
	}
}

// processWide are the names that only a program may use, not a library: they print, exit, or read the environment.
var processWide = map[string]bool{
	"os.Exit": true, "os.Getenv": true, "os.LookupEnv": true, "os.Environ": true, "os.Args": true, "os.Stdout": true, "os.Stderr": true,
	"os.Stdin": true, "os.Chdir": true, "fmt.Print": true, "fmt.Println": true, "fmt.Printf": true,
	"log.Fatal": true, "log.Fatalf": true, "log.Print": true, "log.Printf": true, "log.Println": true,
}

// commands is the one file outside cmd that may hand the standard streams on: to the shell commands of modprobe.d.
const commands = "modprobe/command.go"

// TestManners looks at the code of the libraries and of the tools.
func TestManners(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		library := s.file.Name.Name != "main" && !strings.HasPrefix(s.name, "cmd/") && s.name != commands
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%v: an init function", s.pos(f))
			}
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				cheapInitializers(t, s, g)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "recover" {
					t.Errorf("%v: recover hides a defect", s.pos(n))
				}
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && library && processWide[id.Name+"."+n.Sel.Name] {
					t.Errorf("%v: a library may not use %s.%s", s.pos(n), id.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// cheapInitializers refuses package variables whose value is made when the program starts: every run would pay for it.
func cheapInitializers(t *testing.T, s *source, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		for _, v := range spec.(*ast.ValueSpec).Values {
			switch v := v.(type) {
			case *ast.CompositeLit:
				if _, ok := v.Type.(*ast.MapType); ok {
					t.Errorf("%v: a map made at start-up; a switch costs nothing", s.pos(v))
				}
			case *ast.CallExpr:
				if sel, ok := v.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "New" || types[callee(v)] {
					continue
				}
				t.Errorf("%v: a call at start-up", s.pos(v))
			}
		}
	}
}

// types are what a conversion may look like a call to.
var types = map[string]bool{"[]byte": true, "fmt.Errorf": true}

func callee(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.ArrayType:
		return "[]byte"
	case *ast.SelectorExpr:
		if id, ok := f.X.(*ast.Ident); ok {
			return id.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// TestNoForeignPaths keeps traces of the machines the project was made on out of it.
func TestNoForeignPaths(t *testing.T) {
	foreign := regexp.MustCompile(`/wor` + `k/[a-z]|/ro` + `ot/[.a-z]|shared/` + `(spec|design)|spec/[a-z]+\.` + `md|/home/[a-z]+/`)
	for _, name := range files(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, hit := range foreign.FindAllString(string(text), 3) {
			t.Errorf("%s speaks of %s", name, hit)
		}
	}
}
