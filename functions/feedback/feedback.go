// Package feedback records what SES reports of copies: bounce, complaint, delay,
// delivery. The events come through SNS and a queue: late, twice, out of order,
// and mixed with what is none of ours.
//
// An event moves a copy up in rank or changes nothing (alert.Copy.Event), so the
// order in which events arrive does not matter. No event makes a child green. What SES gave
// up goes back to its lane while the alert is useful (alert.Copy.Return), in the same write.
package feedback

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// Handler records events.
type Handler struct {
	Alerts *alert.Store
	Enrol  *enrol.Store
	Court  *docket.Store // judges refusals; nil: nobody does
	Gate   *gate.Gate    // hears how lanes fare; may be nil
	Log    *slog.Logger
}

// Handle records the events of a batch: in one write an alert, or, if that fails,
// each by itself, so that one bad event keeps no other from being recorded.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	byAlert := map[string][]item{}
	var order []string
	var res events.SQSEventResponse
	again := func(message string, err error) {
		if err != nil {
			queue.HandBack(ctx, &res, message, err)
		}
	}
	for _, m := range e.Records {
		r, err := parse(m.Body)
		if err != nil {
			h.Log.Info("event passed over", "message", m.MessageId, "err", err)
			continue
		}
		if r.complaint {
			h.Log.Warn("complaint", "alert", r.copy.Alert, "contact", r.copy.Contact)
			again(m.MessageId, h.complaint(ctx, r))
		}
		if r.state == "" {
			continue
		}
		if r.join != "" || r.test != "" {
			again(m.MessageId, h.letter(ctx, r))
			continue
		}
		if byAlert[r.copy.Alert] == nil {
			order = append(order, r.copy.Alert)
		}
		byAlert[r.copy.Alert] = append(byAlert[r.copy.Alert], item{message: m.MessageId, report: r})
	}
	for _, a := range order {
		for message, err := range h.alert(ctx, byAlert[a]) {
			again(message, err)
		}
	}
	return res, nil
}

// complaint has a complaint noted. After an error it is to come again.
func (h *Handler) complaint(ctx context.Context, r report) error {
	if h.Court == nil || r.copy.Contact == "" {
		return nil
	}
	err := h.Court.Complain(ctx, r.copy, r.at)
	if err != nil {
		h.Log.Warn("complaint not noted, it will come again", "alert", r.copy.Alert, "contact", r.copy.Contact, "err", err)
	}
	return err
}

// letterStates is what an event about a registration's mail means for it.
var letterStates = map[alert.CopyState]enrol.LetterState{
	alert.Sent: enrol.Accepted, alert.Delayed: enrol.Accepted, alert.Delivered: enrol.Delivered, alert.Refused: enrol.Refused,
}

// letter records what became of a mail that is no copy. After an error the event is to
// come again.
func (h *Handler) letter(ctx context.Context, r report) error {
	if r.test != "" {
		return h.test(ctx, r)
	}
	j, err := h.Enrol.Report(ctx, r.school, r.join, enrol.Letter{
		State: letterStates[r.state], At: r.at, Code: r.why.Code, Status: r.why.Status, Reason: r.why.Reason,
	})
	if err == nil {
		err = h.alive(ctx, r, j)
	}
	if errors.Is(err, enrol.ErrNotFound) {
		h.Log.Info("event of an unknown registration passed over", "join", r.join)
		return nil
	}
	if err != nil {
		h.Log.Warn("event not recorded, it will come again", "join", r.join, "err", err)
	}
	return err
}

// alive has an address taken off SES's list from which its owner has just written: the reply
// to a registration by mail was not even tried.
func (h *Handler) alive(ctx context.Context, r report, j enrol.Join) error {
	if h.Court == nil || r.state != alert.Refused || j.Door != enrol.ByMail || judge.Of(r.evidence) != judge.Listed {
		return nil
	}
	a, err := address.Parse(j.Address)
	if err != nil {
		return nil //nolint:nilerr // it is none to which SES could have sent
	}
	return h.Court.Alive(ctx, j.ID, a.Mailbox())
}

// test records what became of a test mail to an operator.
func (h *Handler) test(ctx context.Context, r report) error {
	var refused judge.Class
	switch {
	case h.Court == nil, r.state != alert.Delivered && r.state != alert.Refused:
		return nil
	case r.state == alert.Refused:
		refused = judge.Of(r.evidence)
	}
	err := h.Court.Tested(ctx, r.school, r.test, refused, r.evidence.Text)
	if err != nil {
		h.Log.Warn("a test's event was not recorded, it will come again", "school", r.school, "err", err)
	}
	return err
}

// item is one report with the id of its message.
type item struct {
	message string
	report
	lane string // of the copy, once its record was read
	back bool   // the copy went back to its lane
}

// alert records reports of one alert's copies, has refusals judged, and returns why
// messages failed, by their ids.
func (h *Handler) alert(ctx context.Context, items []item) map[string]error {
	all := make([]heard, len(items))
	open, err := h.open(ctx, items)
	if err != nil {
		return h.failed(items, err)
	}
	if err := h.Alerts.Update(ctx, h.changes(items, all, open)...); err == nil {
		h.tellLanes(ctx, all)
		return h.hear(ctx, items)
	}
	clear(all)
	defer func() { h.tellLanes(ctx, all) }()
	failed := map[string]error{}
	var recorded []item
	for i := range items {
		it := items[i : i+1]
		err := h.Alerts.Update(ctx, h.changes(it, all[i:i+1], open)...)
		if err != nil {
			all[i] = heard{}
		}
		switch {
		case err == nil:
			recorded = append(recorded, it[0])
		case errors.Is(err, alert.ErrNotFound):
			// The alert's data has ended, or the event is of another system with our
			// names: there is nothing left that it could be recorded in.
			h.Log.Info("event of an unknown copy passed over", "alert", it[0].copy.Alert, "contact", it[0].copy.Contact)
		default:
			h.Log.Warn("event not recorded, it will come again", "alert", it[0].copy.Alert, "contact", it[0].copy.Contact, "err", err)
			failed[it[0].message] = err
		}
	}
	maps.Copy(failed, h.hear(ctx, recorded))
	return failed
}

// open returns the alert of reports if it is still useful, and if one of them needs to know.
func (h *Handler) open(ctx context.Context, items []item) (*alert.Alert, error) {
	if !slices.ContainsFunc(items, func(it item) bool { return it.expired }) {
		return nil, nil
	}
	a, err := h.Alerts.Alert(ctx, items[0].copy.Alert)
	if errors.Is(err, alert.ErrNotFound) || err == nil && !a.Useful(h.Alerts.Now()) {
		return nil, nil
	}
	return &a, err
}

// failed returns an error as that of all messages: they have to come again.
func (h *Handler) failed(items []item, err error) map[string]error {
	h.Log.Warn("events not recorded, they will come again", "alert", items[0].copy.Alert, "events", len(items), "err", err)
	return byMessage(items, err)
}

func byMessage(items []item, err error) map[string]error {
	messages := map[string]error{}
	for _, it := range items {
		messages[it.message] = err
	}
	return messages
}

// hear has the refusals among recorded reports of one alert judged, and returns the errors of
// those that have to come again for it.
func (h *Handler) hear(ctx context.Context, items []item) map[string]error {
	var refusals []docket.Refusal
	var judged []item
	for _, it := range items {
		if it.state != alert.Refused || it.evidence.Bounce == "" || it.lane == "" || it.back {
			continue // SES itself refused to send it, there is no such copy, or it is sent again
		}
		refusals = append(refusals, docket.Refusal{
			Copy: it.copy, Lane: it.lane, Class: judge.Of(withLane(it.evidence, it.lane)), Status: it.why.Status, Words: it.evidence.Text, At: it.at, Hard: hard(it.evidence),
		})
		judged = append(judged, it)
	}
	if h.Court == nil || len(refusals) == 0 {
		return nil
	}
	a, err := h.Alerts.Alert(ctx, refusals[0].Copy.Alert)
	if err == nil {
		err = h.Court.Hear(ctx, a, refusals...)
	}
	if err != nil && !errors.Is(err, alert.ErrNotFound) {
		h.Log.Warn("refusals not judged, they will come again", "alert", refusals[0].Copy.Alert, "copies", len(refusals), "err", err)
		return byMessage(judged, err)
	}
	return nil
}

// hard reports whether SES counts a bounce against the account: a permanent one, but not of
// an address that it did not even try because the account's own list has it
// (https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html).
func hard(e judge.Evidence) bool {
	return e.Bounce == "Permanent" && e.SubType != onAccountList
}

func withLane(e judge.Evidence, lane string) judge.Evidence {
	e.Lane = lane
	return e
}

// changes returns what the items change, and notes in all, when that is applied, what
// they tell of lanes. What SES gave up goes back to its lane if the alert is open.
func (h *Handler) changes(items []item, all []heard, open *alert.Alert) []alert.Change {
	cs := make([]alert.Change, len(items))
	for i := range items {
		it := &items[i]
		var due alert.Due
		cs[i] = alert.Change{Ref: it.copy.Ref, Apply: func(f *alert.Family) bool {
			all[i], it.back = heard{}, false
			n := f.Copy(it.copy.Contact, it.copy.Round)
			if n < 0 {
				return false
			}
			it.lane = f.Copies[n].Lane
			before := f.Copies[n]
			c := &f.Copies[n]
			if c.Past(it.state, it.why, it.sent) {
				return false
			}
			it.back = it.expired && open != nil && f.Wants(n) && c.Return(it.why, it.at)
			if !it.back && !c.Event(it.state, it.why, it.at) {
				return false
			}
			if it.back {
				due = alert.Due{CopyRef: it.copy, Group: c.Group(*open), Number: c.Tries}
			}
			all[i] = it.hears(before)
			return true
		}, More: func() []table.Op {
			if !it.back {
				return nil
			}
			return []table.Op{alert.DueOp(due, h.Alerts.Now())}
		}}
	}
	return cs
}
