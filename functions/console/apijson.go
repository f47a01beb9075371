package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// members says where the values of a JSON object's members go: name to pointer.
type members map[string]any

// decodeObject decodes a JSON object strictly, and says all that is wrong with it
// in one pass: a name that is not expected (they are compared exactly), a name
// that stands twice (readers disagree about which counts), a value of the wrong
// type. A null leaves its member as if it were not there.
func decodeObject(body []byte, into members) problem.List {
	if e := checkJSON(body); e != nil {
		return problem.List{e}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return problem.List{problem.New(problem.Invalid, "JSONのオブジェクト（{…}）を送ってください。", "Send a JSON object: {...}.")}
	}
	var wrong problem.List
	seen := map[string]bool{}
	for d.More() {
		name, value, err := member(d)
		if err != nil {
			return append(wrong, malformed(body, d.InputOffset()).Because(err))
		}
		if e := into.set(name, value, seen[name]); e != nil {
			wrong = append(wrong, e.In(printable(name)))
		}
		seen[name] = true
	}
	return wrong
}

// member reads the next member of an object.
func member(d *json.Decoder) (name string, value json.RawMessage, err error) {
	t, err := d.Token()
	if err != nil {
		return "", nil, err
	}
	name, _ = t.(string) // what checkJSON let pass has strings for names
	err = d.Decode(&value)
	return name, value, err
}

func (m members) set(name string, value json.RawMessage, again bool) *problem.Error {
	to, known := m[name]
	switch {
	case !known:
		return problem.New(problem.Invalid, "「%[1]s」という項目はありません。使えるのは %[2]s です。", "There is no member %[1]q. Possible are: %[2]s.", printable(name), m.names())
	case again:
		return problem.New(problem.Invalid, "「%s」が二度書かれています。一つにしてください。", "The member %q stands twice. Send it once.", name)
	}
	return decodeValue(value, to)
}

func (m members) names() string {
	var b bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

func decodeValue(value json.RawMessage, to any) *problem.Error {
	err := json.Unmarshal(value, to)
	var e *problem.Error
	if err == nil || errors.As(err, &e) {
		return e
	}
	want := wantedType(to)
	return problem.New(problem.Invalid, "値の型が違います。%[1]sを送ってください。", "The value has the wrong type. Send %[2]s.", want.JA, want.EN).Because(err)
}

// wantedType says in words what a member takes.
func wantedType(to any) lang.Text {
	switch to.(type) {
	case *string:
		return lang.T("文字列（\"…\"）", "a string")
	case *bool:
		return lang.T("true か false", "true or false")
	case *int64:
		return lang.T("整数", "a whole number")
	case *[]string:
		return lang.T("文字列の配列（[\"…\"]）", "an array of strings")
	}
	return lang.T("配列", "an array")
}

// checkJSON returns what keeps body from being one JSON value, and where.
func checkJSON(body []byte) *problem.Error {
	if len(bytes.TrimSpace(body)) == 0 {
		return problem.New(problem.Invalid, "本文が空です。JSONのオブジェクトを送ってください。", "The body is empty. Send a JSON object.")
	}
	if !utf8.Valid(body) {
		return problem.New(problem.Invalid, "本文がUTF-8ではありません。JSONはUTF-8で送ってください。", "The body is not UTF-8. Send JSON as UTF-8.")
	}
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return malformed(body, syntax.Offset).Because(err)
	}
	if err != nil {
		return malformed(body, 0).Because(err)
	}
	return nil
}

func malformed(body []byte, offset int64) *problem.Error {
	line, column := place(body, offset)
	return problem.New(problem.Invalid,
		"JSONとして読めません（%d行目、%d文字目のあたり）。書式を直してください。",
		"This is not well-formed JSON, near line %d, character %d. Correct it there.", line, column)
}

// place returns the line and the character of an offset, both from 1.
func place(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

// printable returns a name that a client made up in a form that can be shown:
// short, and without characters that act on whatever shows it.
func printable(name string) string {
	const most = 60
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	quoted := fmt.Sprintf("%q", name)
	return quoted[1 : len(quoted)-1]
}
