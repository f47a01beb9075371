package alert

import (
	"context"
	"encoding/json"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Forget is an address that a guardian has deleted, which records of alerts still hold.
//
//	forget   <time>/<contact>   a Forget, to be worked on from that time
type Forget struct {
	School  string `json:"s"`
	Family  string `json:"f"`
	Contact string `json:"c"`
	// Guardian has left the school with the address: the name and the numbers go, too.
	Guardian string `json:"g,omitempty"`
	After    string `json:"a,omitempty"` // the alert that was looked at last
	Open     bool   `json:"o,omitempty"` // an alert was passed that is not over
}

const (
	forgetPart   = "forget"
	forgetAlerts = 20             // looked at in one run
	forgetAgain  = 24 * time.Hour // then what was passed is looked at again
)

func (f Forget) op(at time.Time) table.Op {
	return table.Create{Key: table.Key{Partition: forgetPart, Sort: at.UTC().Format(time.RFC3339) + "/" + f.Contact}, Value: table.Encode(f)}
}

// PutForget has the records of a school's alerts lose the address of a contact. It is to
// be called before the contact goes, so that no crash leaves it there. Twice is once.
func PutForget(ctx context.Context, t table.Table, now time.Time, f Forget) error {
	return table.IgnoreConflict(t.Write(ctx, "", f.op(now)))
}

// ForgetDue takes deleted addresses out of some alerts that are over. An alert that is
// not over needs them, and is looked at again a day later.
func (s *Store) ForgetDue(ctx context.Context) error {
	page, err := s.Table.Query(ctx, table.Query{Partition: forgetPart, Limit: 1})
	if err != nil || len(page.Items) == 0 || page.Items[0].Sort > s.Now().UTC().Format(time.RFC3339)+"0" {
		return err
	}
	item := page.Items[0]
	var f Forget
	if err := json.Unmarshal(item.Value, &f); err != nil {
		return err
	}
	alerts, next, err := s.List(ctx, f.School, f.After, forgetAlerts)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		if st := a.State(s.Now()); st == StateWaiting || st == StateOpen {
			f.Open = true
			continue
		}
		if err := s.forget(ctx, a.ID, f); err != nil {
			return err
		}
	}
	ops := []table.Op{table.Delete{Key: item.Key, Revision: item.Revision}}
	switch f.After = next; {
	case next != "":
		ops = []table.Op{table.Replace{Key: item.Key, Revision: item.Revision, Value: table.Encode(f)}}
	case f.Open:
		f.Open = false
		ops = append(ops, f.op(s.Now().Add(forgetAgain)))
	}
	return table.IgnoreConflict(s.Table.Write(ctx, "", ops...)) // another run did the same
}

// forget takes an address out of one alert. Which class the family's record stands in
// the alert's own classes tell: those of today may be others.
func (s *Store) forget(ctx context.Context, alertID string, f Forget) error {
	for after := ""; ; {
		classes, next, err := s.Classes(ctx, alertID, after, table.MaxOps)
		if err != nil {
			return err
		}
		if err := s.forgetIn(ctx, alertID, classes, f); err != nil || next == "" {
			return err
		}
		after = next
	}
}

func (s *Store) forgetIn(ctx context.Context, alertID string, classes []ClassStatus, f Forget) error {
	keys := make([]table.Key, len(classes))
	for i, c := range classes {
		keys[i] = Ref{Alert: alertID, Class: c.Class, Family: f.Family}.Key()
	}
	items, err := s.Table.GetMany(ctx, keys...)
	if err != nil {
		return err
	}
	for i, item := range items {
		if item.Revision == 0 {
			continue
		}
		if _, elsewhere, err := decodeFamily(item); err != nil || elsewhere != "" {
			if err != nil {
				return err
			}
			continue
		}
		ref := Ref{Alert: alertID, Class: classes[i].Class, Family: f.Family}
		if err := s.Update(ctx, Change{Ref: ref, Apply: func(fam *Family) bool { return fam.forget(f) }}); err != nil {
			return err
		}
	}
	return nil
}

// forget removes the address of a contact, and the operator's words about it, which may
// name it; and what is known of a guardian who left.
func (f *Family) forget(w Forget) (changed bool) {
	for i := range f.Copies {
		if c := &f.Copies[i]; c.Contact == w.Contact && c.Mailbox+c.Reason != "" {
			c.Mailbox, c.Reason, changed = "", "", true
		}
	}
	for i := range f.Guardians {
		if g := &f.Guardians[i]; w.Guardian != "" && g.ID == w.Guardian && (g.Name != "" || len(g.Phones) > 0) {
			*g, changed = Guardian{ID: g.ID, Lang: g.Lang}, true
		}
	}
	return changed
}
