package drill

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestBothLanguagesTakeTheSame: the two formats of a sentence are given the same arguments,
// and what one of them has no verb for would stand in it as %!(EXTRA ...).
func TestBothLanguagesTakeTheSame(t *testing.T) {
	sentences := 0
	walkSource(t, ".go", func(name, text string) {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			formats, args := sentence(n)
			for _, format := range formats {
				sentences++
				if said := fmt.Sprintf(format, args...); strings.Contains(said, "%!") {
					t.Errorf("%s: %s", files.Position(n.Pos()), said)
				}
			}
			return true
		})
	}, "functions", "shared", "infra")
	if sentences < 500 {
		t.Errorf("only %d sentences were looked at", sentences)
	}
}

// sentence returns the formats of a call of lang.T or problem.New with arguments, and
// something for each of those that any verb takes.
func sentence(n ast.Node) (formats []string, args []any) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil, nil
	}
	firsts := map[string]int{"lang.T": 0, "problem.New": 1}
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil, nil
	}
	at, ok := firsts[fmt.Sprintf("%s.%s", s.X, s.Sel)]
	if !ok || len(call.Args) <= at+2 || call.Ellipsis.IsValid() {
		return nil, nil
	}
	for range call.Args[at+2:] {
		args = append(args, anything{})
	}
	for _, e := range call.Args[at : at+2] {
		if text, ok := literal(e); ok {
			formats = append(formats, text)
		}
	}
	return formats, args
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// anything is what every verb takes.
type anything struct{}

func (anything) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("x")) }
