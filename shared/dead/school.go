package dead

import (
	"context"
	"errors"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
)

// Owners tells whose letters are. It remembers the schools of alerts: make one for each use.
type Owners struct {
	Alerts *alert.Store
	of     map[string]string
}

// Of returns the alert and the school that a letter is of, "" for what is not known, and for
// both if it is of the system itself.
func (o *Owners) Of(ctx context.Context, l queue.DeadLetter) (alertID, school string, err error) {
	alertID, school = Of(l.Message.Body)
	if alertID == "" {
		return "", school, nil
	}
	if school, ok := o.of[alertID]; ok {
		return alertID, school, nil
	}
	found, err := o.Alerts.Alert(ctx, alertID)
	switch {
	case errors.Is(err, alert.ErrNotFound) || err == nil && found.School == proof.School:
		return "", "", nil
	case err != nil:
		return "", "", err
	}
	if o.of == nil {
		o.of = map[string]string{}
	}
	o.of[alertID] = found.School
	return alertID, found.School, nil
}

// OfSchool are those of a queue's letters that are of a school, without those of which nobody
// knows whose they are. It is for one use by one caller.
func OfSchool(q queue.DeadLetters, school string, alerts *alert.Store) queue.DeadLetters {
	return ofSchool{q, school, &Owners{Alerts: alerts}}
}

type ofSchool struct {
	queue.DeadLetters
	school string
	owners *Owners
}

// ListDead implements queue.DeadLetters.
func (q ofSchool) ListDead(ctx context.Context, after string, limit int) (mine []queue.DeadLetter, err error) {
	for {
		letters, err := q.DeadLetters.ListDead(ctx, after, returned)
		if err != nil || len(letters) == 0 {
			return mine, err
		}
		for _, l := range letters {
			after = l.Handle
			_, school, err := q.owners.Of(ctx, l)
			if err != nil {
				return nil, err
			}
			if school != q.school {
				continue
			}
			mine = append(mine, l)
			if len(mine) == limit {
				return mine, nil
			}
		}
	}
}

// Redrive implements queue.DeadLetters. Of the handles it looks only at those of the school's.
func (q ofSchool) Redrive(ctx context.Context, handles ...string) (int, error) {
	var mine []string
	for after := ""; ; {
		letters, err := q.ListDead(ctx, after, returned)
		if err != nil {
			return 0, err
		}
		if len(letters) == 0 {
			break
		}
		for _, l := range letters {
			after = l.Handle
			if len(handles) == 0 || slices.Contains(handles, l.Handle) {
				mine = append(mine, l.Handle)
			}
		}
	}
	if len(mine) == 0 {
		return 0, nil // with none named it would be all
	}
	return q.DeadLetters.Redrive(ctx, mine...)
}
