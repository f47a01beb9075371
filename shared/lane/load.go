package lane

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

//go:embed lanes.json
var shipped []byte

// MaxFile bounds a lanes file, in bytes.
const MaxFile = 1 << 20

// file is the form of a lanes file. In an operator's own file everything may be
// left out: what is there goes before what shipped.
type file struct {
	About   string  `json:"about"` // for the reader
	Default figures `json:"default"`
	Lanes   []entry `json:"lanes"`
}

// entry is a lane as a file writes it.
type entry struct {
	Name    string   `json:"name"`
	Label   *label   `json:"label"`
	Domains []string `json:"domains"`
	MX      []string `json:"mx"`
	figures
}

// figures are an operator's limits, each with where it comes from.
type figures struct {
	Slots       *int   `json:"slots"`
	SlotsSource string `json:"slots_source"`
	// Files of before have these, which never did anything: the relay or SES opens the
	// connections to an operator. They are no reason not to start.
	Messages       any `json:"messages_per_connection"`
	MessagesSource any `json:"messages_source"`
}

type label struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Load returns the shipped lanes with the operator's file over them; r may be nil.
//
// A lane of the file with a shipped name changes that lane: slots and label replace,
// domains and mx are added. Any other name is a new lane, which needs domains or mx;
// what it leaves out is as in default. Keys that are not known, values outside the
// limits, and domains in two lanes are problems; each names the line or the lane and
// says what to do.
func Load(r io.Reader) (*Lanes, error) {
	base, err := decode(bytes.NewReader(shipped))
	if err != nil {
		return nil, err
	}
	if r == nil {
		return build(base)
	}
	own, err := decode(r)
	if err != nil {
		return nil, err
	}
	return build(merge(base, own))
}

// merge lays own over base.
func merge(base, own file) file {
	base.Default = base.Default.with(own.Default)
	place := map[string]int{}
	for i, e := range base.Lanes {
		place[e.Name] = i
	}
	shipped := len(base.Lanes)
	for _, e := range own.Lanes {
		if i, ok := place[e.Name]; ok && i < shipped {
			base.Lanes[i] = base.Lanes[i].with(e)
			place[e.Name] = shipped // a second time is a second lane, which build refuses
			continue
		}
		base.Lanes = append(base.Lanes, e)
	}
	return base
}

// with returns e changed by what own gives.
func (e entry) with(own entry) entry {
	if own.Label != nil {
		e.Label = own.Label
	}
	e.Domains = append(e.Domains, own.Domains...)
	e.MX = append(e.MX, own.MX...)
	e.figures = e.figures.with(own.figures)
	return e
}

func (f figures) with(own figures) figures {
	if own.Slots != nil {
		f.Slots, f.SlotsSource = own.Slots, own.SlotsSource
	}
	return f
}

// decode reads a file strictly.
func decode(r io.Reader) (file, error) {
	var f file
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return f, problem.New(problem.Invalid,
			"レーン設定ファイルを読めません。ファイルの場所と権限を確かめてください。",
			"The lanes file cannot be read. Check where it is and who may read it.").Because(err)
	}
	if len(text) > MaxFile {
		return f, problem.New(problem.TooLarge,
			"レーン設定ファイルが大きすぎます。ファイルを間違えていないか確かめてください。",
			"The lanes file is too large. Check whether it is the right file.")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, syntaxProblem(text, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return f, atLine(text, dec.InputOffset(),
			"ファイルの終わりに余分な文字があります。消してください。",
			"there is more after the end of the file. Remove it.").Because(err)
	}
	return f, nil
}

var unknownField = regexp.MustCompile(`unknown field (".*")$`)

// syntaxProblem says in which line JSON stopped making sense.
func syntaxProblem(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch m := unknownField.FindStringSubmatch(err.Error()); {
	case m != nil:
		key := regexp.MustCompile(regexp.QuoteMeta(m[1]) + `\s*:`).FindIndex(text)
		return atLine(text, int64(append(key, 0)[0]),
			"項目名 %s は使えません。つづりを直すか、消してください。",
			"the key %s is not known. Correct its spelling or remove it.", m[1]).Because(err)
	case errors.As(err, &kind):
		return atLine(text, kind.Offset,
			"%s の値の種類が違います。数は引用符なし、文字は引用符ありで書いてください。",
			"the value of %s is of the wrong kind. Write numbers without quotes and text with them.", kind.Field).Because(err)
	case errors.As(err, &syntax):
		return atLine(text, syntax.Offset,
			"JSON として読めません。この行と前の行の引用符・コンマ・括弧を確かめてください。",
			"this is not JSON. Check the quotes, commas and brackets in this line and the one before.").Because(err)
	}
	return atLine(text, int64(len(text)),
		"ファイルが途中で終わっています。最後の括弧まであるか確かめてください。",
		"the file ends too early. Check that its last bracket is there.").Because(err)
}

func atLine(text []byte, offset int64, ja, en string, args ...any) *problem.Error {
	line := 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
	return problem.New(problem.Invalid,
		"レーン設定ファイル %d行目："+ja, "Lanes file, line %d: "+en, append([]any{line}, args...)...)
}

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)
	domainForm = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
)

// build checks a whole file and makes lanes of it. It reports every problem.
func build(f file) (*Lanes, error) {
	b := builder{
		ls:       &Lanes{byDomain: map[string]int{}, byMX: map[string]int{}},
		defaults: f.Default,
	}
	b.ls.fallback = b.lane("default", f.Default)
	for _, e := range f.Lanes {
		b.add(e)
	}
	if b.problems != nil {
		return nil, b.problems
	}
	return b.ls, nil
}

type builder struct {
	ls       *Lanes
	defaults figures
	problems problem.List
}

func (b *builder) refuse(lane, ja, en string, args ...any) {
	b.problems = append(b.problems, problem.New(problem.Invalid,
		"レーン「%s」："+ja, "Lane %q: "+en, append([]any{lane}, args...)...))
}

func (b *builder) add(e entry) {
	i := len(b.ls.lanes)
	if !nameForm.MatchString(e.Name) {
		b.refuse(e.Name, "名前 (name) は40字までの半角の英小文字・数字・「-」で付けてください。",
			"give it a name of up to 40 lower-case letters, digits and hyphens.")
	}
	for _, other := range b.ls.lanes {
		if other.Name == e.Name {
			b.refuse(e.Name, "二回書かれています。一つにまとめてください。", "it is there twice. Make one of the two.")
		}
	}
	if len(e.Domains)+len(e.MX) == 0 {
		b.refuse(e.Name, "domains か mx を書いてください。", "give it domains or mx, or no copy will ever take it.")
	}
	l := b.lane(e.Name, b.defaults.with(e.figures))
	l.Label = b.label(e)
	b.ls.lanes = append(b.ls.lanes, l)
	b.index(b.ls.byDomain, i, e.Domains)
	b.index(b.ls.byMX, i, e.MX)
}

// label returns what people read for an entry: its name, if nothing is given.
func (b *builder) label(e entry) lang.Text {
	if e.Label == nil {
		return lang.Text{JA: e.Name, EN: e.Name}
	}
	if strings.TrimSpace(e.Label.JA) == "" || strings.TrimSpace(e.Label.EN) == "" {
		b.refuse(e.Name, "label には ja と en の両方を書いてください。", "give its label in both languages, ja and en.")
	}
	return lang.Text{JA: e.Label.JA, EN: e.Label.EN}
}

func (b *builder) lane(name string, f figures) Lane {
	return Lane{Name: name, Slots: b.slots(name, f.Slots)}
}

func (b *builder) slots(lane string, n *int) int {
	if n == nil || *n < 1 || *n > MaxSlots {
		b.refuse(lane, "slots は1から%dまでの数にしてください。", "slots must be a number from 1 to %d.", MaxSlots)
		return 1
	}
	return *n
}

// index enters the domains of lane i, each of which belongs to no other lane.
func (b *builder) index(index map[string]int, i int, domains []string) {
	name := b.ls.lanes[i].Name
	for _, d := range domains {
		other, taken := index[d]
		switch {
		case !domainForm.MatchString(d):
			b.refuse(name, "「%s」はドメインではありません。「example.co.jp」のように半角の小文字で、「@」や「*」なしで書いてください。",
				"%s is not a domain. Write it in lower case without @ or *, like example.co.jp.", d)
		case taken && other != i:
			b.refuse(name, "「%s」はレーン「%s」にもあります。どちらか一方だけに書いてください。",
				"%s is in lane %s too. Leave it in one of them.", d, b.ls.lanes[other].Name)
		default:
			index[d] = i
		}
	}
}
