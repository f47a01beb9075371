package move_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/table"
)

// partitions are all kinds of partitions that the program writes, and whether they move. What
// a place knows of itself, of its account or its queues stays (own in move.go), above all what
// the clock writes before there is a school: else an import finds that there is data.
var partitions = map[string]bool{
	"alert/*": true, "desk/*": true, "desk-papers/*": true, "desk-lines/*": true, "memo/*": true, "audit/*": true, "audit-seen/*": true,
	"school/*": true, "schools": true, "card/*": true, "code/*": true, "import/*": true,
	"staff/*": true, "staffmail/*": true, "session/*": true, "signin/*": true, "known/*": true, "ceremony/*": true, "token/*": true, "tokens-ending": true,
	"browser/*":   true, // a hash alone, which is no item
	"\x01token *": true, // of DynamoDB; its Walk leaves them out
	"due":         true, "docket/due": true, "enrol/due": true, "enrol/told": true, "forget": true, "roster/turns": true,
	"lane": true, "mailhosts": true, "settings": true, "format": true,

	"account": false, "dead": false, "dead/again": false, "dead/seen": false, "dead/why": false, "doctor": false, "enrol/fed": false, "enrol/recheck": false,
	"heal": false, "lane/unheard": false, "limit/*": false, "probe/*": false, "probe/health": false, "proof": false, "\x01health": false,
}

// TestPartitions finds in the source which partitions are written, and moves one item of each.
func TestPartitions(t *testing.T) {
	from, to := oneMachine(t), oneMachine(t)
	written := writtenPartitions(t)
	delete(written, "open") // while there is something, nothing moves
	for p := range written {
		must(t, from.Write(t.Context(), "", table.Create{Key: table.Key{Partition: strings.ReplaceAll(p, "*", "x"), Sort: "s"}}))
	}
	file, _ := exported(t, from, time.Now())
	_, err := move.In(t.Context(), bytes.NewReader(file), to, true, time.Now)
	must(t, err)
	there := contents(t, to)
	for p := range written {
		_, written[p] = there[table.Key{Partition: strings.ReplaceAll(p, "*", "x"), Sort: "s"}]
	}
	if d := cmp.Diff(partitions, written); d != "" {
		t.Errorf("the partitions of the program, and whether they move (-want +got); say here of a new one what is right:\n%s", d)
	}
}

// writtenPartitions reads the source of the program, and returns the partitions of all keys in it.
func writtenPartitions(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, root := range []string{"../../shared", "../../functions", "../local", "../command", "../found", "."} {
		must(t, filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || strings.HasSuffix(dir, "test") {
				return err
			}
			p := readSource(t, dir)
			for _, key := range p.keys {
				for _, name := range p.names(t, key.part, key.in) {
					all[name] = true
				}
			}
			return nil
		}))
	}
	return all
}

// source is what names partitions in a package.
type source struct {
	values map[string]ast.Expr        // of constants and variables
	funcs  map[string][]*ast.FuncDecl // methods too
	calls  map[string][]call
	keys   []struct {
		part ast.Expr
		in   *ast.FuncDecl
	}
}

type call struct {
	args []ast.Expr
	in   *ast.FuncDecl
}

func readSource(t *testing.T, dir string) source {
	t.Helper()
	s := source{map[string]ast.Expr{}, map[string][]*ast.FuncDecl{}, map[string][]call{}, nil}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		must(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range f.Decls {
			fn, _ := d.(*ast.FuncDecl)
			if fn != nil {
				s.funcs[fn.Name.Name] = append(s.funcs[fn.Name.Name], fn)
			}
			ast.Inspect(d, func(n ast.Node) bool { s.note(n, fn); return true })
		}
	}
	return s
}

// parameters returns the names of what a function takes.
func parameters(f *ast.FuncDecl) (all []string) {
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			all = append(all, name.Name)
		}
	}
	return all
}

func (s *source) note(n ast.Node, in *ast.FuncDecl) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, v := range n.Values {
			if in == nil {
				s.values[n.Names[i].Name] = v
			}
		}
	case *ast.CallExpr:
		s.calls[called(n)] = append(s.calls[called(n)], call{n.Args, in})
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Partition" {
			s.keys = append(s.keys, struct {
				part ast.Expr
				in   *ast.FuncDecl
			}{n.Value, in})
		}
	}
}

func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// names returns what the value of e in a function can be, with a star for all that follows what is
// written out first.
func (s *source) names(t *testing.T, e ast.Expr, in *ast.FuncDecl) (all []string) {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		name, err := strconv.Unquote(e.Value)
		must(t, err)
		return []string{name}
	case *ast.BinaryExpr:
		for _, name := range s.names(t, e.X, in) {
			if right, ok := e.Y.(*ast.BasicLit); ok && !strings.HasSuffix(name, "*") {
				name += s.names(t, right, in)[0] + "*"
			}
			all = append(all, strings.TrimSuffix(name, "*")+"*")
		}
		return all
	case *ast.CallExpr:
		for _, f := range s.funcs[called(e)] {
			all = append(all, s.names(t, f.Body.List[len(f.Body.List)-1].(*ast.ReturnStmt).Results[0], f)...)
		}
		return all
	case *ast.SelectorExpr:
		return nil // of a key that is made elsewhere
	case *ast.Ident:
		if v, ok := s.values[e.Name]; ok {
			return s.names(t, v, nil)
		}
		for _, c := range s.calls[in.Name.Name] {
			if i := slices.Index(parameters(in), e.Name); i >= 0 && i < len(c.args) {
				all = append(all, s.names(t, c.args[i], c.in)...)
			}
		}
		if len(all) == 0 {
			t.Errorf("in %s it cannot be seen which partition %s is", in.Name.Name, e.Name)
		}
		return all
	}
	t.Errorf("it cannot be seen which partition a %T is", e)
	return nil
}
