package acknowledge

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/web"
)

// show answers GET /a/{token}.
func (h *handler) show(r *http.Request) (web.Response, error) {
	o, err := h.open(r, link.Answer)
	if err != nil {
		return unknown(o, err)
	}
	return h.page(o, nil, nil)
}

// read answers GET /r/{token}: a page to pass on.
func (h *handler) read(r *http.Request) (web.Response, error) {
	o, err := h.open(r, link.Read)
	if err != nil {
		return unknown(o, err)
	}
	return h.page(o, nil, nil)
}

// unknownPage is the data of unknown.html.
type unknownPage struct {
	web.Base
	Example bool // the link in a preview or a test mail, which leads nowhere
}

// exampleToken stands in the mails that staff send to themselves to see them.
const exampleToken = "example"

func unknown(o opened, err error) (web.Response, error) {
	if !errors.Is(err, errUnknown) {
		return nil, err
	}
	return web.Page{
		Status: http.StatusNotFound, Template: "unknown.html",
		Data: &unknownPage{Example: o.token == exampleToken},
	}, nil
}

// alertPage is the data of answer.html, read.html and ended.html.
type alertPage struct {
	web.Base
	Alert    alert.Alert
	State    alert.State
	Token    string
	Newer    bool // newer than the mail that was opened
	Children []childForm
	Share    string // address of the page to pass on
	NoAnswer bool   // the link is for answering, but cannot
	Others   bool   // because the alert is for others
}

// childForm is one child with what was said, or is about to be said, for it.
type childForm struct {
	ID, Name string
	Field    string // name of the form field
	Chosen   string // choice id
	Said     lang.Text
	Answer   *alert.Answer
}

// childField is the name of the field with the answer for a child.
func childField(id string) string { return childPrefix + id }

const (
	childPrefix = "child_"
	allField    = "all" // one answer for all children
	shownField  = "alert"
)

// page shows what the link leads to: with chosen and problems it is the form as
// it was sent.
func (h *handler) page(o opened, chosen map[string]string, problems problem.List) (web.Response, error) {
	p := &alertPage{Base: o.base(), Alert: o.alert, State: o.alert.State(o.now), Token: o.token, Newer: o.newer}
	p.Problems = problems
	p.Scripts = []string{"once.js"}
	page := web.Page{Data: p}
	switch {
	case !o.alert.Useful(o.now):
		p.Problems = nil
		page.Template, page.Status = "ended.html", http.StatusGone
	case o.canAnswer():
		page.Template = "answer.html"
		p.setChildren(o, chosen)
		return page, h.share(o, p)
	default:
		page.Template = "read.html"
		p.NoAnswer, p.Others = o.link.Kind == link.Answer, o.others
	}
	return page, nil
}

// share makes the address to pass on: it holds neither family nor contact.
func (h *handler) share(o opened, p *alertPage) error {
	token, err := h.Links.Sign(link.Link{Kind: link.Read, Alert: o.alert.ID, Expires: o.alert.UsefulUntil})
	p.Share = h.BaseURL + link.Read.Path() + token
	return err
}

func (p *alertPage) setChildren(o opened, chosen map[string]string) {
	f := &o.family.Family
	for _, i := range f.Answerable(o.guardian) {
		c := &f.Children[i]
		form := childForm{ID: c.ID, Name: c.Name, Field: childField(c.ID), Answer: c.Answer, Chosen: chosen[c.ID]}
		if c.Answer != nil {
			form.Said = said(o.alert, c.Answer.Choice)
			if chosen == nil {
				form.Chosen = c.Answer.Choice
			}
		}
		p.Children = append(p.Children, form)
	}
}

func said(a alert.Alert, choice string) lang.Text {
	c, ok := a.Choice(choice)
	if !ok {
		return lang.Text{JA: choice, EN: choice}
	}
	return c.Text()
}

// Notes returns what staff added since, the newest first.
func (p *alertPage) Notes() []alert.Note {
	notes := slices.Clone(p.Alert.Notes)
	slices.Reverse(notes)
	return notes
}

// Answered reports whether any of the children has been answered for.
func (p *alertPage) Answered() bool {
	return slices.ContainsFunc(p.Children, func(c childForm) bool { return c.Answer != nil })
}

// One reports whether there is one child: then each answer is one tap.
func (p *alertPage) One() bool { return len(p.Children) == 1 }

// answer answers POST /a/{token}.
func (h *handler) answer(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	o, err := h.open(r, link.Answer)
	if err != nil {
		return unknown(o, err)
	}
	chosen := choices(form, o)
	if !o.alert.Useful(o.now) || !o.canAnswer() {
		return h.page(o, nil, nil)
	}
	if shown := form.Get(shownField); shown != o.alert.ID {
		return h.page(o, nil, problem.List{replaced})
	}
	if len(chosen) == 0 {
		return h.page(o, chosen, problem.List{nothingChosen.In(o.firstField())})
	}
	if err := h.record(r, o, chosen); err != nil {
		return h.refused(o, chosen, err)
	}
	return web.Redirect{To: link.Answer.Path() + o.token + "?done=1"}, nil
}

var (
	replaced = problem.New(problem.Conflict,
		"あなたが画面を開いたあとに、新しい連絡が出ました。下の内容を読んで、もう一度回答してください。",
		"A newer alert came after you opened the page. Read it below, and answer again.")
	nothingChosen = problem.New(problem.Invalid,
		"回答を選んでから、送信してください。",
		"Choose an answer, then send it.")
	busy = problem.New(problem.Busy,
		"ただいま混み合っていて、まだ回答を記録できていません。少し待ってから、もう一度送信してください。",
		"The service is busy and your answer is not recorded yet. Wait a moment, then send it again.")
)

func (o *opened) firstField() string {
	f := &o.family.Family
	if is := f.Answerable(o.guardian); o.guardian >= 0 && len(is) > 0 {
		return childField(f.Children[is[0]].ID)
	}
	return ""
}

// choices returns what the form says for each child. One answer for all of them
// counts before those that are marked child by child: it is a button that was
// pressed. A field for a child of somebody else is passed on, to be refused.
func choices(form web.Form, o opened) map[string]string {
	chosen := map[string]string{}
	for name := range form.Values {
		if child, ok := strings.CutPrefix(name, childPrefix); ok && form.Get(name) != "" {
			chosen[child] = form.Get(name)
		}
	}
	if all := form.Get(allField); all != "" && o.guardian >= 0 {
		for _, i := range o.family.Family.Answerable(o.guardian) {
			chosen[o.family.Family.Children[i].ID] = all
		}
	}
	return chosen
}

func (h *handler) record(r *http.Request, o opened, chosen map[string]string) error {
	return h.Alerts.Answer(r.Context(), o.alert, alert.AnswerRequest{
		Ref:      o.family.Ref(o.alert.ID),
		Guardian: o.guardian,
		By:       o.family.Family.Guardians[o.guardian].ID,
		Contact:  o.link.Contact,
		Way:      alert.ByLink,
		Choices:  chosen,
	})
}

// refused shows the form again with what was chosen, where sending it again can
// help; and the right page where the alert has ended meanwhile.
func (h *handler) refused(o opened, chosen map[string]string, err error) (web.Response, error) {
	switch {
	case problem.Is(err, problem.Gone):
		o.now = h.Now()
		return h.page(o, nil, nil)
	case problem.Is(err, problem.Invalid):
		return h.page(o, chosen, problem.List{problem.Of(err)[0].In(o.firstField())})
	case web.IsBusy(err):
		h.Log.Warn("answer not recorded", "alert", o.alert.ID, "err", err)
		res, err := h.page(o, chosen, problem.List{busy})
		if page, ok := res.(web.Page); ok {
			page.Header = web.RetryAfter(web.BusyRetry)
			return page, err
		}
		return res, err
	}
	return nil, err
}
