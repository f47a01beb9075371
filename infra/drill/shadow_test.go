package drill

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/todoku/todoku/shared/web"
)

// TestPagesHideNothingOfTheirBase: the layout reads web.Base by the page's own value, so
// a field of a page that has the name of one of Base would be read in its place.
func TestPagesHideNothingOfTheirBase(t *testing.T) {
	of := reflect.TypeFor[*web.Base]()
	own := map[string]bool{}
	for m := range of.Methods() {
		own[m.Name] = true
	}
	for f := range of.Elem().Fields() {
		own[f.Name] = true
	}
	pages := 0
	walkSource(t, ".go", func(name, text string) {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.StructType); ok && embedsBase(s) {
				pages++
				for _, field := range hidden(s, own) {
					t.Errorf("%s: the field %s of a page hides that of web.Base", name, field)
				}
			}
			return true
		})
	}, "functions", "shared")
	if pages < 40 {
		t.Errorf("only %d pages were looked at", pages)
	}
}

func embedsBase(s *ast.StructType) bool {
	for _, f := range s.Fields.List {
		if sel, ok := f.Type.(*ast.SelectorExpr); ok && len(f.Names) == 0 && sel.Sel.Name == "Base" {
			return true
		}
	}
	return false
}

func hidden(s *ast.StructType, own map[string]bool) (names []string) {
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			if own[n.Name] {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
