// Package feedback records what SES reports of copies: bounce, complaint, delay,
// delivery. The events come through SNS and a queue: late, twice, out of order,
// and mixed with what is none of ours.
//
// An event moves a copy up in rank or changes nothing (alert.Copy.Event), so the
// order in which events arrive does not matter. No event makes a child green.
package feedback

import (
	"context"
	"errors"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
)

// Handler records events.
type Handler struct {
	Alerts *alert.Store
	Enrol  *enrol.Store
	Log    *slog.Logger
}

// Handle records the events of a batch: in one write an alert, or, if that fails,
// each by itself, so that one bad event keeps no other from being recorded.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	byAlert := map[string][]item{}
	var order []string
	var res events.SQSEventResponse
	for _, m := range e.Records {
		r, err := parse(m.Body)
		if err != nil {
			h.Log.Info("event passed over", "message", m.MessageId, "err", err)
			continue
		}
		if r.complaint {
			h.Log.Warn("complaint", "alert", r.copy.Alert, "contact", r.copy.Contact)
		}
		if r.state == "" {
			continue
		}
		if r.join != "" {
			if !h.letter(ctx, r) {
				res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
			continue
		}
		if byAlert[r.copy.Alert] == nil {
			order = append(order, r.copy.Alert)
		}
		byAlert[r.copy.Alert] = append(byAlert[r.copy.Alert], item{m.MessageId, r})
	}
	for _, a := range order {
		for _, failed := range h.alert(ctx, byAlert[a]) {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: failed})
		}
	}
	return res, nil
}

// letterStates is what an event about a registration's mail means for it.
var letterStates = map[alert.CopyState]enrol.LetterState{
	alert.Sent: enrol.Accepted, alert.Delayed: enrol.Accepted, alert.Delivered: enrol.Delivered, alert.Refused: enrol.Refused,
}

// letter records what became of a registration's mail, and reports whether it did.
func (h *Handler) letter(ctx context.Context, r report) bool {
	_, err := h.Enrol.Report(ctx, r.school, r.join, enrol.Letter{
		State: letterStates[r.state], At: r.at, Code: r.why.Code, Status: r.why.Status, Reason: r.why.Reason,
	})
	switch {
	case err == nil:
	case errors.Is(err, enrol.ErrNotFound):
		h.Log.Info("event of an unknown registration passed over", "join", r.join)
	default:
		h.Log.Warn("event not recorded, it will come again", "join", r.join, "err", err)
		return false
	}
	return true
}

// item is one report with the id of its message.
type item struct {
	message string
	report
}

// alert records reports of one alert's copies, and returns the ids of the
// messages that failed.
func (h *Handler) alert(ctx context.Context, items []item) []string {
	if err := h.Alerts.Update(ctx, changes(items)...); err == nil {
		return nil
	}
	var failed []string
	for _, it := range items {
		err := h.Alerts.Update(ctx, changes([]item{it})...)
		switch {
		case err == nil:
		case errors.Is(err, alert.ErrNotFound):
			// The alert's data has ended, or the event is of another system with our
			// names: there is nothing left that it could be recorded in.
			h.Log.Info("event of an unknown copy passed over", "alert", it.copy.Alert, "contact", it.copy.Contact)
		default:
			h.Log.Warn("event not recorded, it will come again", "alert", it.copy.Alert, "contact", it.copy.Contact, "err", err)
			failed = append(failed, it.message)
		}
	}
	return failed
}

func changes(items []item) []alert.Change {
	cs := make([]alert.Change, len(items))
	for i, it := range items {
		cs[i] = alert.Change{Ref: it.copy.Ref, Apply: func(f *alert.Family) bool {
			n := f.Copy(it.copy.Contact, it.copy.Round)
			return n >= 0 && f.Copies[n].Event(it.state, it.why, it.at)
		}}
	}
	return cs
}
