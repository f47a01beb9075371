package registration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

// cardPage is the data of card.html: what whoever holds a family card sees. Of the child
// it says no more than the holder can know: the first letters of the name.
type cardPage struct {
	web.Base
	Code     string
	Open     bool // there is something to answer
	Alert    alert.Alert
	Name     string
	Said     lang.Text // what was answered with the card
	Answer   *alert.Answer
	Answered bool // somebody answered another way
}

// cardOf is what a card leads to.
type cardOf struct {
	card   enrol.Card
	school roster.School
	alert  alert.Alert
	made   alert.Made
	child  int // its place in the family's record; -1: nothing is open
}

// openCard finds the safety check that is open for the child of a card.
func (h *handler) openCard(r *http.Request) (cardOf, error) {
	ctx := r.Context()
	o := cardOf{child: -1}
	card, family, err := h.Enrol.Card(ctx, r.PathValue("code"), "card/"+web.Source(r))
	if err != nil {
		return o, err
	}
	o.card = card
	if o.school, err = h.Enrol.Roster.School(ctx, card.School); err != nil {
		return o, err
	}
	const latest = 20
	alerts, _, err := h.Alerts.List(ctx, card.School, "", latest)
	if err != nil {
		return o, err
	}
	// What is real counts before a drill; of two of a kind the newer one.
	slices.SortStableFunc(alerts, func(a, b alert.Alert) int { return drillLast(a) - drillLast(b) })
	for _, a := range alerts {
		if a.Kind == alert.Notice || a.State(h.Now()) != alert.StateOpen {
			continue
		}
		made, i, err := h.childIn(ctx, a.ID, family, card.Child)
		if err != nil {
			return o, err
		}
		if i >= 0 {
			o.alert, o.made, o.child = a, made, i
			return o, nil
		}
	}
	return o, nil
}

func drillLast(a alert.Alert) int {
	if a.Kind == alert.Drill {
		return 1
	}
	return 0
}

// childIn finds a child in an alert; -1: the alert is not about it.
func (h *handler) childIn(ctx context.Context, alertID string, f roster.Family, child string) (alert.Made, int, error) {
	for _, c := range f.Children {
		made, err := h.Alerts.FindFamily(ctx, alert.Ref{Alert: alertID, Class: c.Class, Family: f.ID})
		if errors.Is(err, alert.ErrNotFound) {
			continue
		}
		return made, slices.IndexFunc(made.Family.Children, func(c alert.Child) bool { return c.ID == child }), err
	}
	return alert.Made{}, -1, nil
}

// card answers GET: it changes nothing.
func (h *handler) card(r *http.Request) (web.Response, error) {
	o, err := h.openCard(r)
	if err != nil {
		return nil, err
	}
	return h.cardPage(o, nil), nil
}

func (h *handler) cardPage(o cardOf, wrong problem.List) web.Response {
	p := &cardPage{Base: opened{school: o.school}.base(), Code: o.card.Code, Alert: o.alert, Open: o.child >= 0}
	p.Problems = wrong
	if p.Open {
		c := o.made.Family.Children[o.child]
		p.Name = veiled(c.Name)
		p.Answered = byOthers(c)
		if c.Answer != nil && !p.Answered {
			p.Answer = c.Answer
			if choice, ok := o.alert.Choice(c.Answer.Choice); ok {
				p.Said = choice.Text()
			}
		}
	}
	return web.Page{Template: "card.html", Data: p}
}

func byOthers(c alert.Child) bool { return c.Answer != nil && c.Answer.Way != alert.ByCard }

// veiled leaves of a name what tells siblings apart and says little to others.
func veiled(name string) string {
	parts := strings.Fields(name)
	for i, part := range parts {
		parts[i] = string([]rune(part)[:1]) + "○"
	}
	return strings.Join(parts, " ")
}

var (
	errCardAnswer = problem.New(problem.Invalid, "回答を選んでください。", "Choose an answer.").In("choice")
	// errAnswered says that a card, which anybody may have found, replaces nothing that a
	// guardian or a teacher said, except by a call for help.
	errAnswered = problem.New(problem.Conflict,
		"このお子さんについては、すでに別の方法で回答があります。変更するときは、学校に電話してください。",
		"Somebody has answered for this child already. To change it, phone the school.").In("choice")
)

// answerCard answers POST.
func (h *handler) answerCard(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	o, err := h.openCard(r)
	if err != nil {
		return nil, err
	}
	if o.child < 0 || form.Get("alert") != o.alert.ID {
		return h.cardPage(o, nil), nil // it is over, or another one has begun: it says so
	}
	choice, ok := o.alert.Choice(form.Get("choice"))
	child := o.made.Family.Children[o.child]
	switch {
	case !ok:
		return h.cardPage(o, problem.List{errCardAnswer}), nil
	case byOthers(child) && !choice.Help:
		return h.cardPage(o, problem.List{errAnswered}), nil
	}
	seen := h.Now()
	if child.Answer != nil {
		seen = child.Answer.At
	}
	err = h.Alerts.Answer(r.Context(), o.alert, alert.AnswerRequest{
		Ref: o.made.Ref(o.alert.ID), Guardian: -1, By: "card", Way: alert.ByCard, Newest: &seen, Choices: map[string]string{child.ID: choice.ID},
	})
	switch {
	case errors.Is(err, alert.ErrNewer):
		return h.cardPage(o, problem.List{errAnswered}), nil
	case err != nil:
		return nil, err
	}
	h.Log.Info("card answered", "alert", o.alert.ID, "family", o.made.Family.ID)
	return web.Redirect{To: enrol.CardPath + "/" + o.card.Code + "?done=1"}, nil
}
