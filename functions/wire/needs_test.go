package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/config"
)

// TestNeeds compares what package config gives each function with what its maker reads: a
// field that it does not give is zero, and nobody sees that before it is used.
func TestNeeds(t *testing.T) {
	code := readCode(t)
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Load(name, whole)
			if err != nil {
				t.Fatal(err)
			}
			f := runtime.FuncForPC(reflect.ValueOf(maker).Pointer()).Name()
			read := map[string]bool{"Table": true, "KeepAlerts": true} // prepare reads them for all
			code.fields(f[strings.LastIndexByte(f, '.')+1:], read, map[string]bool{})
			if diff := cmp.Diff(read, given(cfg)); diff != "" {
				t.Errorf("what the maker reads and what config gives it (-read +given):\n%s", diff)
			}
		})
	}
}

// given returns the names of the fields that are set.
func given(c config.Config) map[string]bool {
	names := map[string]bool{}
	for f, v := range reflect.ValueOf(c).Fields() {
		if !v.IsZero() {
			names[f.Name] = true
		}
	}
	return names
}

// code is the functions and methods of this package by name; no two of those that read
// the configuration share one.
type code map[string][]*ast.FuncDecl

func readCode(t *testing.T) code {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := code{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all[f.Name.Name] = append(all[f.Name.Name], f)
			}
		}
	}
	return all
}

// holders are the names under which the parts, and who has them, go in this package.
var holders = []string{"p", "e", "parts"}

// fields adds the fields of the configuration that a function reads, or one that it uses.
func (c code) fields(function string, read, seen map[string]bool) {
	if seen[function] {
		return
	}
	seen[function] = true
	for _, f := range c[function] {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			switch {
			case !ok:
			case last(s.X) == "Config":
				read[s.Sel.Name] = true
			case slices.Contains(holders, last(s.X)):
				c.fields(s.Sel.Name, read, seen)
			}
			return true
		})
	}
}

// last returns the last name of an expression such as a or a.b.
func last(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
