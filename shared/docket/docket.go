// Package docket keeps what operators refused of an alert, and has it judged.
//
// A refusal becomes a Case. When it comes (Hear), nothing is decided about its
// address: SES's events are late, and one refusal is not understood without the
// others. What is looked at is whether there are many alike (judge.Event). If so, it
// is a policy event: the operator's lane is held for the school at once, and its
// managers are told. Ten minutes later (Clerk.Work, by the tick) the cases of an
// alert are decided: those of a policy event say nothing of their addresses, the
// others close them or not (judge.Closes), and the class's teachers are told of all of
// them in one mail.
//
// A case is decided only once and filed only once, however often its event comes.
package docket

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Store keeps the docket in a table:
//
//	alert/<id>/cases      case/<lane>/<contact>#<round>  a Case
//	                      tally/<lane>#<number>          counter: refusals by kind since the lane's last hold
//	                      rate                          counter: bounces and complaints, for the brake
//	                      complaint/<copy>              a complaint that is counted there
//	account               brake                         Braked
//	docket/due            <time>/<what>                  what the tick is to look at (due)
//	school/<school>/held  lanes                          the lanes that are held, and were (Event)
//	school/<school>/refused <class>/<family>/<contact>   what teachers see (Line)
type Store struct {
	Table  table.Table
	Alerts *alert.Store
	Roster *roster.Store
	Events bool // verdicts come as events (SES): what was only sent is not settled
	Now    func() time.Time

	mu      sync.Mutex
	held    map[string]known // by school
	braked  brakeSeen
	weighed time.Time // when the clerk weighed last
}

// Refusal is what an operator said of a copy that it did not take.
type Refusal struct {
	Copy   alert.CopyRef
	Lane   string
	Class  judge.Class
	Code   int
	Status string
	Words  string // without addresses
	Hard   bool   // it counts as a bounce
	At     time.Time
}

// Case is a refusal on the docket.
type Case struct {
	Family  string              `json:"f"`
	Contact string              `json:"k"`
	Lane    string              `json:"l"`
	Class   judge.Class         `json:"c"`
	Words   string              `json:"w,omitempty"`
	At      time.Time           `json:"t"`
	Done    Decision            `json:"d,omitempty"`
	Was     roster.ContactState `json:"was,omitempty"` // of a contact that was closed
}

// Decision is what became of a case.
type Decision string

// The decisions; "" is none yet.
const (
	Closed Decision = "closed" // the contact gets no more alerts
	Kept   Decision = "kept"   // something speaks for it
	Spared Decision = "spared" // the case was part of a policy event
)

const (
	// Patience is how long after the first case the cases of an alert are decided, and
	// in steps of how much, so that one look is for many.
	Patience = 10 * time.Minute
	step     = 5 * time.Minute
	kept     = 30 * 24 * time.Hour // of cases
	listed   = 180 * 24 * time.Hour
)

const (
	casePrefix      = "case/"
	tallyPrefix     = "tally/"
	complaintPrefix = "complaint/"
	provenMark      = "+" // after a kind: of proven contacts
)

func casesPart(alert string) string { return "alert/" + alert + "/cases" }

// Hear files refusals of one alert's copies, and holds a lane if they are many alike.
// It may be called again with the same.
func (s *Store) Hear(ctx context.Context, a alert.Alert, refusals ...Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	if err := s.lookAt(ctx, a.ID); err != nil {
		return err
	}
	held, _, err := s.read(ctx, a.School)
	if err != nil {
		return err
	}
	type alike struct {
		lane string
		kind judge.Class
	}
	last := map[alike]Refusal{}
	for _, r := range refusals {
		fresh, err := s.file(ctx, a, r, held[r.Lane])
		if err != nil {
			return err
		}
		if fresh {
			last[alike{r.Lane, r.Class.Kind()}] = r
		}
	}
	for _, r := range last {
		if err := s.consider(ctx, a, r, held[r.Lane]); err != nil {
			return err
		}
	}
	return nil
}

// lookAt has the cases of an alert decided when they have had time to become many.
func (s *Store) lookAt(ctx context.Context, alertID string) error {
	at := s.Now().UTC().Add(Patience + step).Truncate(step)
	return s.put(ctx, due{Alert: alertID}, at)
}

// file puts a refusal on the docket, and counts it unless it is of before the lane was
// resumed. It reports whether it is to be considered: it may have been filed already, by
// a worker that died before it considered it.
func (s *Store) file(ctx context.Context, a alert.Alert, r Refusal, e Event) (bool, error) {
	contact, err := s.contact(ctx, a.School, r)
	if errors.Is(err, roster.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c := Case{Family: r.Copy.Family, Contact: r.Copy.Contact, Lane: r.Lane, Class: r.Class, Words: r.Words, At: r.At.UTC()}
	name := casePrefix + r.Lane + "/" + r.Copy.Contact
	if r.Copy.Round > 0 {
		name += "#r"
	}
	ops := []table.Op{table.Create{Key: table.Key{Partition: casesPart(a.ID), Sort: name}, Value: table.Encode(c), Expires: s.Now().Add(kept)}}
	fresh := e.Resumed.IsZero() || e.Mistaken || r.At.After(e.Resumed)
	if fresh {
		kind := string(r.Class.Kind())
		deltas := map[string]int64{kind: 1}
		if proof(contact).Proven() {
			deltas[kind+provenMark] = 1
		}
		ops = append(ops, table.Add{Key: e.tally(a.ID, r.Lane), Deltas: deltas})
	}
	if r.Hard {
		ops = append(ops, table.Add{Key: rateKey(a.ID), Deltas: map[string]int64{fieldBounced: 1}})
	}
	return fresh, table.IgnoreConflict(s.Table.Write(ctx, "", ops...)) // it may be filed already
}

// contact reads the contact that a copy was for.
func (s *Store) contact(ctx context.Context, school string, r Refusal) (roster.Contact, error) {
	f, err := s.Roster.Family(ctx, school, r.Copy.Family)
	if err != nil {
		return roster.Contact{}, err
	}
	_, c := f.Contact(r.Copy.Contact)
	if c == nil {
		return roster.Contact{}, roster.ErrNotFound
	}
	return *c, nil
}

// proof is what speaks for a contact.
func proof(c roster.Contact) judge.Contact {
	return judge.Contact{Confirmed: c.State == roster.Verified, Answered: c.Answered, Refused: c.RefusedAt}
}

// consider holds the lane of a refusal if there are many like it.
func (s *Store) consider(ctx context.Context, a alert.Alert, r Refusal, e Event) error {
	if e.Held() {
		return nil
	}
	t, err := s.tallied(ctx, a.ID, r.Lane, r.Class, e)
	if err != nil || !judge.Event(r.Class, t) {
		return err
	}
	return s.hold(ctx, a, r, t)
}

// tallied counts what is known of an alert's copies in a lane since refusals were last counted
// from zero. Of fewer refusals than are ever many it does not ask what else is settled.
func (s *Store) tallied(ctx context.Context, alertID, lane string, class judge.Class, e Event) (judge.Tally, error) {
	item, err := s.Table.Get(ctx, e.tally(alertID, lane))
	if err != nil {
		return judge.Tally{}, err
	}
	kind := string(class.Kind())
	t := judge.Tally{Alike: item.Counts[kind], Proven: item.Counts[kind+provenMark]}
	if t.Alike < judge.FewPolicy {
		return judge.Tally{}, nil
	}
	n, err := s.settled(ctx, alertID, lane)
	t.Settled = n - e.before(alertID)
	return t, err
}

// settled returns of how many copies of an alert in a lane the verdict is known.
func (s *Store) settled(ctx context.Context, alertID, lane string) (int64, error) {
	by, err := s.Alerts.LaneCounts(ctx, alertID, lane)
	n := by[alert.Refused] + by[alert.Delivered]
	if !s.Events {
		n += by[alert.Sent]
	}
	return n, err
}

// due is something that the tick is to look at.
type due struct {
	Alert  string `json:"a,omitempty"` // its cases
	School string `json:"s,omitempty"` // of a lane that is held, or was for nothing: its managers are to be told
	Lane   string `json:"l,omitempty"`

	Join    string `json:"j,omitempty"` // of whoever wrote from Mailbox, which the mail operator's list keeps mail from; or a contact
	Mailbox string `json:"m,omitempty"`
}

// Alive has a mailbox taken off the mail operator's list of addresses to which it no longer
// sends: somebody registers by a mail from it.
func (s *Store) Alive(ctx context.Context, joinID, mailbox string) error {
	return s.put(ctx, due{Join: joinID, Mailbox: mailbox}, s.Now())
}

const duePart = "docket/due"

func (d due) op(at time.Time) table.Op {
	return table.Create{Key: table.Key{Partition: duePart, Sort: at.UTC().Format(time.RFC3339) + "/" + d.Alert + d.School + d.Lane + d.Join}, Value: table.Encode(d)}
}

func (s *Store) put(ctx context.Context, d due, at time.Time) error {
	return table.IgnoreConflict(s.Table.Write(ctx, "", d.op(at)))
}
