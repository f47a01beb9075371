package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// compose is the form of an alert exactly as somebody filled it in: whatever is
// wrong with it can be shown again beside what was typed.
type compose struct {
	Kind       string
	Subject    string
	Body       string
	Answers    string // standard or own
	Lines      [alert.MaxChoices]choiceLine
	All        bool
	Groups     []string
	Until      string // as <input type=datetime-local> writes it, in the school's zone
	Remind     string // minutes
	Supersedes string
	Follows    string // only those who have not answered this alert are told
	Drill      bool   // it began with a drill, and can only become one
	Key        string // makes sending twice send once
}

// choiceLine is one answer that staff typed.
type choiceLine struct {
	Text string
	Help bool
}

// Values of compose.Answers.
const (
	standardAnswers = "standard"
	ownAnswers      = "own"
)

// localTime is how a datetime-local field writes a time (HTML, "local date and
// time string"); browsers may add seconds.
const localTime = "2006-01-02T15:04"

// usefulFor is for how long an alert of a kind is useful unless staff say
// otherwise.
var usefulFor = map[alert.Kind]time.Duration{
	alert.Notice: 24 * time.Hour,
	alert.Safety: 6 * time.Hour,
	alert.Drill:  3 * time.Hour,
}

// newCompose returns the form as it is first shown.
func newCompose(kind alert.Kind, now time.Time, loc *time.Location, chases alert.Chases, key string) compose {
	if _, ok := usefulFor[kind]; !ok {
		kind = alert.Safety
	}
	c := compose{Kind: string(kind), Answers: standardAnswers, Key: key, Until: defaultUntil(kind, now, loc)}
	c.setLines(alert.DefaultChoices(alert.Safety))
	c.Remind = defaultRemind(chases, kind)
	return c
}

func defaultUntil(kind alert.Kind, now time.Time, loc *time.Location) string {
	const step = 10 * time.Minute
	return now.Add(usefulFor[kind] + step - 1).In(loc).Truncate(step).Format(localTime)
}

// defaultRemind is what the school does for a kind, as the form writes it.
func defaultRemind(chases alert.Chases, kind alert.Kind) string {
	if after := chases.Of(kind).After; after > 0 {
		return strconv.Itoa(after)
	}
	return ""
}

func (c *compose) setLines(choices []alert.Choice) {
	for i, choice := range choices[:min(len(choices), len(c.Lines))] {
		c.Lines[i] = choiceLine{Text: choice.JA, Help: choice.Help}
	}
}

// composeFrom returns the form filled in with an alert that was sent before.
func composeFrom(a alert.Alert, now time.Time, loc *time.Location, chases alert.Chases, key string) compose {
	c := newCompose(a.Kind, now, loc, chases, key)
	c.Subject, c.Body, c.Drill = a.Subject, a.Body, a.Kind == alert.Drill
	c.All, c.Groups = a.All, a.Groups
	c.Remind = ""
	if m := int(a.RemindAfter / time.Minute); m > 0 {
		c.Remind = strconv.Itoa(m)
	}
	if !slices.Equal(a.Choices, alert.DefaultChoices(a.Kind)) {
		c.Answers = ownAnswers
		c.Lines = [alert.MaxChoices]choiceLine{}
		c.setLines(a.Choices)
	}
	return c
}

// readCompose takes the form from what was posted. Nothing is judged yet.
func readCompose(v url.Values) compose {
	c := compose{
		Kind: v.Get("kind"), Subject: v.Get("subject"), Body: v.Get("body"),
		Answers: v.Get("answers"), All: v.Get("all") == "1", Groups: v["groups"],
		Until: v.Get("useful_until"), Remind: v.Get("remind_after"),
		Supersedes: v.Get("supersedes"), Follows: v.Get("follows"), Drill: v.Get("drill") == "1", Key: v.Get("key"),
	}
	for i := range c.Lines {
		c.Lines[i] = choiceLine{Text: v.Get(lineField(i)), Help: v.Get(helpField(i)) == "1"}
	}
	return c
}

func lineField(i int) string { return fmt.Sprintf("choice_%d", i+1) }
func helpField(i int) string { return fmt.Sprintf("help_%d", i+1) }

// Hidden is a field that a page carries on without showing it.
type Hidden struct{ Name, Value string }

// Hidden returns the whole form as fields, so that a preview loses none of it.
func (c compose) Hidden() []Hidden {
	fields := []Hidden{
		{"kind", c.Kind}, {"subject", c.Subject}, {"body", c.Body}, {"answers", c.Answers},
		{"useful_until", c.Until}, {"remind_after", c.Remind}, {"supersedes", c.Supersedes}, {"key", c.Key},
	}
	for i, l := range c.Lines {
		fields = append(fields, Hidden{lineField(i), l.Text})
		if l.Help {
			fields = append(fields, Hidden{helpField(i), "1"})
		}
	}
	if c.Follows != "" {
		fields = append(fields, Hidden{"follows", c.Follows})
	}
	if c.Drill {
		fields = append(fields, Hidden{"drill", "1"})
	}
	if c.All {
		fields = append(fields, Hidden{"all", "1"})
	}
	for _, g := range c.Groups {
		fields = append(fields, Hidden{"groups", g})
	}
	return fields
}

// draft makes a draft of the form for the domain to judge, and says what of it
// cannot even be put there.
func (c compose) draft(me staff.Staff, loc *time.Location) (alert.Draft, problem.List) {
	d := alert.Draft{
		School: me.School, Kind: alert.Kind(c.Kind), Subject: c.Subject, Body: c.Body,
		All: c.All, Follows: c.Follows, Supersedes: c.Supersedes, Undo: alert.UndoWindow,
		Sender: alert.Sender{ID: me.ID, Name: me.Name, Mail: me.Mail},
	}
	if !c.All {
		d.Groups = c.Groups
	}
	var wrong problem.List
	var e *problem.Error
	if d.UsefulUntil, e = parseUntil(c.Until, loc); e != nil {
		wrong = append(wrong, e)
	}
	if d.RemindAfter, e = parseRemind(c.Remind); e != nil {
		wrong = append(wrong, e)
	}
	if c.Drill && d.Kind != alert.Drill {
		wrong = append(wrong, problem.Of(alert.SameWorld(alert.Drill, d.Kind))...)
	}
	if d.Choices, e = c.choices(); e != nil {
		wrong = append(wrong, e)
	}
	return d, wrong
}

// parseUntil reads the field; empty is left to the domain to refuse.
func parseUntil(s string, loc *time.Location) (time.Time, *problem.Error) {
	s = strings.TrimSpace(norm.NFKC.String(s)) // with full-width digits, too
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{localTime, localTime + ":05", "2006-01-02 15:04", "2006/01/02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, problem.New(problem.Invalid,
		"有効期限を、2026-04-01 15:30 のように年月日と時刻で入力してください。",
		"Enter until when the alert is useful as a date and time, like 2026-04-01 15:30.").In("useful_until")
}

func parseRemind(s string) (time.Duration, *problem.Error) {
	s = strings.TrimSpace(norm.NFKC.String(s)) // with full-width digits, too
	if s == "" {
		return 0, nil
	}
	m, err := strconv.Atoi(s)
	if most := int(alert.MaxUseful / time.Minute); err != nil || m < 0 || m > most {
		return 0, problem.New(problem.Invalid,
			"再送までの時間は、0から%dまでの分の数で入力してください。",
			"Enter the time until the reminder in minutes, from 0 to %d.", most).In("remind_after")
	}
	return time.Duration(m) * time.Minute, nil
}

// choices returns the answers that were typed; none means the standard ones. An
// answer with the words of a standard one is that one, in both languages. Two
// with the same words get the same id, which the domain refuses.
func (c compose) choices() ([]alert.Choice, *problem.Error) {
	switch c.Answers {
	case standardAnswers, "":
		return nil, nil
	case ownAnswers:
	default:
		return nil, problem.New(problem.Invalid, "回答の選択肢（標準・自分で決める）を選んでください。",
			"Choose which answers to offer: the standard ones or your own.").In("answers")
	}
	var choices []alert.Choice
	ids := map[string]string{}
	for i, l := range c.Lines {
		text := strings.Join(strings.Fields(l.Text), " ")
		if text == "" {
			continue
		}
		choice := alert.Choice{ID: "c" + strconv.Itoa(i+1), JA: text, Help: l.Help}
		if std, ok := standardChoice(text); ok {
			choice.ID, choice.EN = std.ID, std.EN
		}
		if id, again := ids[text]; again {
			choice.ID = id
		}
		ids[text] = choice.ID
		choices = append(choices, choice)
	}
	if len(choices) == 0 {
		return nil, problem.New(problem.Invalid, "回答の選択肢を一つ以上入力するか、「標準の選択肢」を選んでください。",
			"Enter at least one answer, or choose the standard answers.").In("choices")
	}
	return choices, nil
}

func standardChoice(text string) (alert.Choice, bool) {
	for _, k := range []alert.Kind{alert.Notice, alert.Safety} {
		for _, c := range alert.DefaultChoices(k) {
			if text == c.JA || text == c.EN {
				return c, true
			}
		}
	}
	return alert.Choice{}, false
}

// composePage is the data of compose.html.
type composePage struct {
	web.Base
	Form     compose
	Old      string // subject of the alert that is replaced
	Followed string // subject of the alert that is followed
	Grades   []gradeBoxes
	Others   []groupBox
	Children int  // of the whole school
	May      bool // send to the whole school
	Proof    proven
	Defaults map[alert.Kind]string
	Chases   alert.Chases
	Me       staff.Staff
}

// Whole names all of the school.
func (p *composePage) Whole() lang.Text { return allOf(p.Me, p.School.Name) }

// gradeBoxes is a grade, which may be chosen as a whole, and its classes. Classes
// without a grade stand together under one that has no ID.
type gradeBoxes struct {
	groupBox
	Classes []groupBox
}

// groupBox is one group to choose.
type groupBox struct {
	roster.Group
	Chosen bool
}

// setGroups lays the school's groups out by grade, with the chosen ones marked.
func (p *composePage) setGroups(groups []roster.Group) {
	box := func(g roster.Group) groupBox { return groupBox{g, slices.Contains(p.Form.Groups, g.ID)} }
	at := map[string]int{}
	for _, g := range groups {
		if g.Kind != roster.Grade {
			continue
		}
		for _, class := range g.Classes {
			at[class] = len(p.Grades)
		}
		p.Grades = append(p.Grades, gradeBoxes{groupBox: box(g)})
	}
	var loose []groupBox
	for _, g := range groups {
		if g.Kind == roster.Class {
			p.Children += g.Children
		}
		switch i, graded := at[g.ID]; {
		case g.Kind == roster.Grade:
		case g.Kind == roster.Class && graded:
			p.Grades[i].Classes = append(p.Grades[i].Classes, box(g))
		case g.Kind == roster.Class:
			loose = append(loose, box(g))
		default:
			p.Others = append(p.Others, box(g))
		}
	}
	if len(loose) > 0 {
		p.Grades = append(p.Grades, gradeBoxes{Classes: loose})
	}
}

// kindCard is what a kind is called, and what it is for.
type kindCard struct {
	Kind       alert.Kind
	Name, Hint lang.Text
}

var kindCards = []kindCard{
	{alert.Notice, lang.T("お知らせ", "Notice"), lang.T("下校時刻の変更、休校など。読んだことを確認します。", "A change of hours, a closed school. Asks whether it was read.")},
	{alert.Safety, lang.T("安否確認", "Safety check"), lang.T("地震や災害のとき。無事か、助けが必要かをたずねます。", "After an earthquake or disaster. Asks who is safe and who needs help.")},
	{alert.Drill, lang.T("訓練", "Drill"), lang.T("安否確認の練習。すべてのメールと画面に【訓練】と付きます。", "A safety check for practice. Every mail and page is marked as a drill.")},
}

// DefaultRemind is after how many minutes the school reminds for a kind.
func (p *composePage) DefaultRemind(k alert.Kind) string { return defaultRemind(p.Chases, k) }

// Kinds returns the kinds to choose from.
func (p *composePage) Kinds() []kindCard {
	if p.Form.Drill {
		return slices.DeleteFunc(slices.Clone(kindCards), func(c kindCard) bool { return c.Kind != alert.Drill })
	}
	return kindCards
}

// kindName returns what a kind is called.
func kindName(k alert.Kind) lang.Text {
	for _, c := range kindCards {
		if c.Kind == k {
			return c.Name
		}
	}
	return lang.Text{JA: string(k), EN: string(k)}
}

// LineField names the field of the i-th answer, counted from 0.
func (p *composePage) LineField(i int) string { return lineField(i) }

// HelpField names the mark beside the i-th answer.
func (p *composePage) HelpField(i int) string { return helpField(i) }

// Place numbers the answers for people.
func (p *composePage) Place(i int) int { return i + 1 }
