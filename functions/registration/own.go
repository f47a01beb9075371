package registration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

// askPage is the data of own_ask.html.
type askPage struct {
	web.Base
	Address string
	Sent    bool
}

func (h *handler) askOwn(r *http.Request) (web.Response, error) {
	return web.Page{Template: "own_ask.html", Data: &askPage{Base: web.Base{Scripts: []string{"once.js"}}, Sent: r.URL.Query().Has("sent")}}, nil
}

// sendOwn mails the link to the own page. The answer is the same, and takes as long,
// whether the address is known or not.
func (h *handler) sendOwn(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p := &askPage{Base: web.Base{Scripts: []string{"once.js"}}, Address: f.Get("address")}
	a, err := address.Parse(p.Address)
	if err == nil {
		err = h.Enrol.MayAskOwn(r.Context(), web.Source(r))
	}
	if wrong := h.site.Mendable(err); len(wrong) > 0 {
		p.Problems = problem.List{wrong[0].In("address")}
		return web.Page{Template: "own_ask.html", Data: p}, nil
	}
	if err != nil {
		return nil, err
	}
	h.apart(r.Context(), func(ctx context.Context) {
		if err := h.Poster.RequestOwn(ctx, a); err != nil {
			h.Log.Error("link to an own page not mailed", "err", err)
		}
	})
	return web.Redirect{To: enrol.Path + "/own?sent=1"}, nil
}

// apart does work whose length nobody is to see.
func (h *handler) apart(ctx context.Context, work func(context.Context)) {
	if h.Background != nil {
		h.Background(work)
		return
	}
	web.Padded(ctx, work)
}

// ownPage is the data of own.html and own_leave.html.
type ownPage struct {
	web.Base
	Token     string
	Owner     enrol.Owner
	Children  []childLine
	Typed     string         // an address that was not taken
	Doubts    []lang.Text    // why it has to be sent once more
	Suggested string         // the address that was probably meant
	Leaving   roster.Contact // which is about to be deleted
	Last      bool           // it is the last one that the guardian has
	Now       time.Time
	Done      string
	Tomorrow  string // the earliest end of a pause, as a date field writes it
}

// Paused reports whether nothing is sent to a contact now.
func (p *ownPage) Paused(c roster.Contact) bool { return p.Now.Before(c.Paused) }

var errOwnLink = problem.New(problem.Gone,
	"このリンクの期限が切れました。「自分のページ」のリンクを、もう一度受け取ってください。",
	"This link has expired. Ask for a new link to your page.")

// owner opens a link of a guardian: to the own page, or the one that ends notices.
func (h *handler) owner(r *http.Request, kind link.Kind) (opened, enrol.Owner, error) {
	o, err := h.open(r, kind)
	if err == nil && !h.Now().Before(o.link.Expires) {
		err = errOwnLink
	}
	if err != nil {
		return o, enrol.Owner{}, err
	}
	owner, err := h.Enrol.Owner(r.Context(), o.link.Class, o.link.Family, o.link.Contact)
	return o, owner, err
}

func (h *handler) own(r *http.Request) (web.Response, error) {
	o, owner, err := h.owner(r, link.Own)
	if err != nil {
		return nil, err
	}
	return h.ownPage(r, o, owner, &ownPage{Done: r.URL.Query().Get("done")}, nil)
}

// doneWords say what was just done.
var doneWords = map[string]lang.Text{
	"pause": lang.T("一時停止を変更しました。", "The pause was changed."),
	"quiet": lang.T("お知らせの設定を変更しました。", "The setting for notices was changed."),
	"lang":  lang.T("言葉を変更しました。", "The language was changed."),
	"test":  lang.T("テストメールを送りました。届くか確かめてください。", "A test mail was sent. See whether it arrives."),
	"leave": lang.T("アドレスを削除しました。", "The address was removed."),
}

func (h *handler) ownPage(r *http.Request, o opened, owner enrol.Owner, p *ownPage, wrong problem.List) (web.Response, error) {
	p.Base, p.Token, p.Owner, p.Now = o.base(), o.token, owner, h.Now()
	p.Notice = doneWords[p.Done].In(web.Language(r))
	p.Tomorrow = p.Now.In(o.school.Location()).AddDate(0, 0, 1).Format(time.DateOnly)
	p.Problems = wrong
	var err error
	if p.Children, err = h.lines(r, o.school.ID, owner.Children()); err != nil {
		return nil, err
	}
	page := web.Page{Template: "own.html", Data: p}
	if id := r.URL.Query().Get("leave"); id != "" && len(wrong) == 0 {
		i := slices.IndexFunc(owner.Guardian.Contacts, func(c roster.Contact) bool { return c.ID == id })
		if i < 0 {
			return nil, enrol.ErrNotFound
		}
		p.Leaving, p.Last, page.Template = owner.Guardian.Contacts[i], len(owner.Guardian.Contacts) == 1, "own_leave.html"
	}
	return page, nil
}

// changeOwn does what a form of the own page asks for.
func (h *handler) changeOwn(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	o, owner, err := h.owner(r, link.Own)
	if err != nil {
		return nil, err
	}
	do, contact := f.Get("do"), f.Get("contact")
	if do == "add" {
		return h.add(r, o, owner, f)
	}
	err = h.change(r, o, owner, do, contact, f)
	if wrong := h.site.Mendable(err); len(wrong) > 0 {
		return h.ownPage(r, o, owner, &ownPage{}, wrong)
	}
	if err != nil {
		return nil, err
	}
	h.Log.Info("guardian changed a contact", "contact", contact, "do", do)
	if do == "leave" && contact == o.link.Contact { // the link went with it
		return web.Page{Template: "left.html", Data: &leftPage{Base: o.base()}}, nil
	}
	return web.Redirect{To: link.Own.Path() + o.token + "?done=" + do}, nil
}

// leftPage is the data of left.html.
type leftPage struct{ web.Base }

func (h *handler) change(r *http.Request, o opened, owner enrol.Owner, do, contact string, f web.Form) error {
	ctx := r.Context()
	switch do {
	case "pause":
		var until time.Time
		if day := f.Get("until"); day != "" {
			var err error
			if until, err = time.ParseInLocation(time.DateOnly, day, o.school.Location()); err != nil {
				return enrol.ErrPause
			}
		}
		return h.Enrol.Pause(ctx, owner, contact, until)
	case "quiet":
		return h.Enrol.Quiet(ctx, owner, contact, f.Get("quiet") == "1")
	case "lang":
		return h.Enrol.Speak(ctx, owner, lang.Match(f.Get("in"), ""))
	case "test":
		return h.Poster.Test(ctx, owner, contact)
	case "leave":
		lost, err := h.Enrol.Leave(ctx, owner, contact, h.Lanes)
		if lost > 0 && err == nil {
			h.Log.Warn("children lost their last route", "school", o.school.ID, "children", lost)
		}
		return err
	}
	return problem.New(problem.Invalid, "画面を開き直して、もう一度お試しください。", "Open the page again and repeat the change.")
}

// add keeps another address until it is confirmed.
func (h *handler) add(r *http.Request, o opened, owner enrol.Owner, f web.Form) (web.Response, error) {
	p := &formPage{Address: f.Get("address")}
	if better := f.Get("suggested"); better != "" { // the button that takes the suggestion
		p.Address = better
	}
	a, wrong := h.address(r, p)
	if len(wrong) == 0 && p.doubt(a, f.Get("sure")) {
		page, err := h.ownPage(r, o, owner, &ownPage{Typed: p.Address, Doubts: p.Doubts, Suggested: p.Suggested}, nil)
		return doubted(page), err
	}
	var j enrol.Join
	if len(wrong) == 0 {
		var err error
		j, err = h.Enrol.Add(r.Context(), owner, a, f.Get("replaces"))
		if wrong = h.site.Mendable(err); err != nil && len(wrong) == 0 {
			return nil, err
		}
	}
	if len(wrong) > 0 {
		return h.ownPage(r, o, owner, &ownPage{Typed: p.Address}, wrong)
	}
	if _, err := h.Poster.Send(r.Context(), j.School, j.ID); err != nil && !errors.Is(err, enrol.ErrSoon) {
		if wrong := h.site.Mendable(err); len(wrong) > 0 {
			return h.ownPage(r, o, owner, &ownPage{Typed: p.Address}, wrong)
		}
		return nil, err
	}
	to, err := h.path(j, link.Wait)
	return web.Redirect{To: to}, err
}

// doubted marks a page as one that asks back.
func doubted(r web.Response) web.Response {
	if page, ok := r.(web.Page); ok {
		page.Status = http.StatusUnprocessableEntity
		return page
	}
	return r
}

// leavePage is the data of leave.html.
type leavePage struct {
	web.Base
	Token string
	Quiet bool
}

func (h *handler) showLeave(r *http.Request) (web.Response, error) {
	o, owner, err := h.owner(r, link.Leave)
	if err != nil {
		return nil, err
	}
	return web.Page{Template: "leave.html", Data: &leavePage{Base: o.base(), Token: o.token, Quiet: owner.Contact.Quiet}}, nil
}

// leave ends notices to a contact, at one click of a mail program (RFC 8058) or of
// the page; "again" begins them anew. Safety checks are not touched: to be without
// them the guardian opens the own page and deletes the address.
func (h *handler) leave(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	o, owner, err := h.owner(r, link.Leave)
	if err != nil {
		return nil, err
	}
	if err := h.Enrol.Quiet(r.Context(), owner, owner.Contact.ID, f.Get("again") == ""); err != nil {
		return nil, err
	}
	h.Log.Info("notices switched", "contact", owner.Contact.ID, "quiet", f.Get("again") == "")
	if f.Has("List-Unsubscribe") { // a mail program: RFC 8058, section 3.1, forbids a redirect
		return web.Page{Template: "leave.html", Data: &leavePage{Base: o.base(), Token: o.token, Quiet: true}}, nil
	}
	return web.Redirect{To: link.Leave.Path() + o.token}, nil
}
