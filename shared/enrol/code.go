package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/table"
)

// Alphabet is what codes are written in: digits and capitals without I, L, O and
// U, as Crockford's base 32 (https://www.crockford.com/base32.html), so that no two
// can be taken for each other and no word comes about.
const Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// CodeLen is the length of a code, its check character included.
const CodeLen = 10

// Pass is the code that a child has now.
type Pass struct {
	ChildRef
	Code    string    `json:"code"`
	School  string    `json:"school"`
	Expires time.Time `json:"expires"`

	Revision int64 `json:"-"`
}

// Pretty writes a code as it is printed: in two halves.
func Pretty(code string) string {
	if len(code) != CodeLen {
		return code
	}
	return code[:CodeLen/2] + "-" + code[CodeLen/2:]
}

// ParseCode returns the code that somebody typed, and false if it is none: too
// long or short, or with a wrong check character, as nearly every single slip and
// swap of two neighbours makes it (see check). No look-up is needed for that.
func ParseCode(typed string) (code string, ok bool) {
	var b strings.Builder
	if len(typed) > 100 {
		return "", false
	}
	for _, r := range strings.ToUpper(norm.NFKC.String(typed)) {
		switch r {
		case ' ', '-', '‐', '‑', '–', '—', '−', 'ー', '\t', '\u200b':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(Alphabet, r) {
			return "", false
		}
		b.WriteRune(r)
	}
	code = b.String()
	if len(code) != CodeLen || check(code[:CodeLen-1]) != code[CodeLen-1] {
		return "", false
	}
	return code, true
}

// Codes returns what could be codes in a text with several: what commas, lines
// and wide spaces part.
func Codes(text string) []string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",、;；\n\r/／，　 ", r) })
	var codes []string
	for i := 0; i < len(parts); i++ {
		// "7K3MP 9QXZT": a code whose halves a space parts.
		if i+1 < len(parts) {
			if _, ok := ParseCode(parts[i] + parts[i+1]); ok {
				codes = append(codes, parts[i]+parts[i+1])
				i++
				continue
			}
		}
		codes = append(codes, parts[i])
	}
	return codes
}

// check returns the check character: the sum of the values, each times its weight,
// modulo 31, a prime. No weight is a multiple of it and neighbours' weights differ,
// so one wrong character and two swapped ones are found, but for a pair of values
// that are 31 apart (0 and Z).
func check(body string) byte {
	sum := 0
	for i := range len(body) {
		sum += (i + 1) * strings.IndexByte(Alphabet, body[i])
	}
	return Alphabet[sum%31]
}

// newCode draws a code.
func (s *Store) newCode() string {
	b := make([]byte, CodeLen-1)
	if _, err := io.ReadFull(s.Random, b); err != nil {
		panic("enrol: no randomness: " + err.Error())
	}
	for i, x := range b {
		b[i] = Alphabet[x%byte(len(Alphabet))] // 256 is a multiple of 32
	}
	return string(b) + string(check(string(b)))
}

func codeKey(code string) table.Key { return table.Key{Partition: "code/" + code, Sort: "code"} }

func passKey(school, child string) table.Key {
	return table.Key{Partition: "school/" + school + "/codes", Sort: child}
}

// Issue returns the codes of children, in their order, for printing. A child keeps
// the code that it has unless that is about to end, or anew is set: then it gets
// another one, and the old one ends at once.
func (s *Store) Issue(ctx context.Context, school string, children []ChildRef, anew bool) ([]Pass, error) {
	passes := make([]Pass, len(children))
	for i, c := range children {
		p, err := s.issue(ctx, school, c, anew)
		if err != nil {
			return nil, err
		}
		passes[i] = p
	}
	return passes, nil
}

func (s *Store) issue(ctx context.Context, school string, c ChildRef, anew bool) (p Pass, err error) {
	err = table.Again(func() error {
		old, rev, err := table.Load[Pass](ctx, s.Table, passKey(school, c.Child))
		if err != nil {
			return err
		}
		now := s.Now().UTC()
		if rev > 0 && !anew && now.Add(FreshLife).Before(old.Expires) {
			p = old
			return nil
		}
		p = Pass{ChildRef: c, Code: s.newCode(), School: school, Expires: now.Add(CodeLife).Truncate(time.Second)}
		return s.Table.Write(ctx, "", s.issueOps(ctx, p, old, rev)...)
	})
	return p, err
}

// issueOps puts p in the place of the child's old code.
func (s *Store) issueOps(ctx context.Context, p, old Pass, rev int64) []table.Op {
	value := table.Encode(p)
	ops := []table.Op{table.Create{Key: codeKey(p.Code), Value: value, Expires: p.Expires}}
	if rev == 0 {
		return append(ops, table.Create{Key: passKey(p.School, p.Child), Value: value, Expires: p.Expires})
	}
	ops = append(ops, table.Replace{Key: passKey(p.School, p.Child), Revision: rev, Value: value, Expires: p.Expires})
	if _, err := s.Table.Get(ctx, codeKey(old.Code)); err == nil {
		ops = append(ops, table.Delete{Key: codeKey(old.Code), Revision: 1})
	}
	return ops
}

// Pass returns whom a code that somebody typed stands for. It fails with
// ErrWrongCode if that is nobody, or nobody any more. Whoever is not trusted goes
// through Join, which counts.
func (s *Store) Pass(ctx context.Context, typed string) (Pass, error) {
	code, ok := ParseCode(typed)
	if !ok {
		return Pass{}, ErrWrongCode
	}
	var p Pass
	_, err := s.read(ctx, codeKey(code), &p)
	if errors.Is(err, ErrNotFound) || err == nil && !s.Now().Before(p.Expires) {
		return Pass{}, ErrWrongCode
	}
	return p, err
}

// Issued returns the codes that work now, by the children's ids.
func (s *Store) Issued(ctx context.Context, school string) (map[string]Pass, error) {
	passes := map[string]Pass{}
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: passKey(school, "").Partition}) {
		if err != nil {
			return nil, err
		}
		var p Pass
		if err := json.Unmarshal(item.Value, &p); err != nil {
			return nil, err
		}
		passes[p.Child] = p
	}
	return passes, nil
}
