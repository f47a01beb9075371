// Package desk is the call desk of an alert: several people phone the families of
// whom nobody has heard, and no family twice.
//
// It keeps one record a family, beside the alert's own (alert.Family): who has the
// family in hand and until when, and every call. Whether a family is still to be
// phoned stands in no list: it follows from the family's answers, so an answer that
// comes by mail takes the family off the desk by itself.
//
//	desk/<alert>/<class>  <family>          Record
//	desk/<alert>          changes/<class>   a counter: how often a record was written, and calls
//	                      paper/<number>    Paper
//	desk-papers/<scope>   paper/<number>    Paper, of all desks of a scope
//	desk-lines/<scope>    <hash>            a telephone number or address (lines.go)
package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

const (
	// HoldFor is for how long a family stays in somebody's hands. Whoever does
	// something for the family has it for as long again.
	HoldFor = 10 * time.Minute
	// MaxNote is how many characters a note may have.
	MaxNote = 500
	// maxCalls is how many calls of a family are kept; the oldest go first.
	maxCalls = 40
)

// Desk is the call desk over the alerts of a store.
type Desk struct {
	Alerts *alert.Store
	Place  Place // the zero Place: nothing is shared with other desks
}

// Person is a member of staff, with the name that colleagues see.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"n"`
}

// Outcome is how a call ended.
type Outcome string

// The outcomes. Records hold them.
const (
	Answered    Outcome = "answered" // somebody said how the child is
	Message     Outcome = "message"  // a message was left
	NoReply     Outcome = "no_reply"
	WrongNumber Outcome = "wrong_number"
	CallBack    Outcome = "call_back" // call again at a time
)

// Outcomes lists the outcomes in the order in which they are offered.
var Outcomes = []Outcome{Answered, Message, NoReply, WrongNumber, CallBack}

// Call is one call, as it was entered.
type Call struct {
	ID      string            `json:"id"` // made with the form: an entry that is sent again counts once
	At      time.Time         `json:"t"`  // when it was entered here
	By      Person            `json:"b"`
	Outcome Outcome           `json:"o"`
	Phone   string            `json:"p,omitempty"`
	Note    string            `json:"n,omitempty"`
	CallAt  time.Time         `json:"c,omitzero"`
	Choices map[string]string `json:"a,omitempty"` // child id -> choice id, of Answered
}

// Record is what the desk knows of a family.
type Record struct {
	Holder Person    `json:"h,omitzero"`
	Until  time.Time `json:"u,omitzero"`  // from then on nobody has it
	From   Person    `json:"f,omitzero"`  // who handed it over to Holder
	Note   string    `json:"n,omitempty"` // of who handed it over
	Calls  []Call    `json:"c,omitempty"` // oldest first

	revision int64
	counts   map[string]int64 // what the write that is to come adds to its counter
	claimed  bool             // by the write that is to come: nobody else may have the family
	entered  *Call            // by the write that is to come
}

// Held reports whether somebody has the family in hand.
func (r Record) Held(now time.Time) bool { return r.Holder.ID != "" && now.Before(r.Until) }

// HeldBy reports whether it is this person.
func (r Record) HeldBy(id string, now time.Time) bool { return r.Holder.ID == id && r.Held(now) }

// Last returns the newest call.
func (r Record) Last() (Call, bool) {
	if len(r.Calls) == 0 {
		return Call{}, false
	}
	return r.Calls[len(r.Calls)-1], true
}

// CallAt returns when the family asked to be called, or the zero time.
func (r Record) CallAt() time.Time {
	if last, ok := r.Last(); ok && last.Outcome == CallBack {
		return last.CallAt
	}
	return time.Time{}
}

// has reports whether a call is there. It fails with ErrRecorded if another is, by its ID.
func (r Record) has(c Call) (bool, error) {
	i := slices.IndexFunc(r.Calls, func(was Call) bool { return was.ID == c.ID })
	if i < 0 {
		return false, nil
	}
	if !r.Calls[i].says(c) {
		return false, ErrRecorded
	}
	return true, nil
}

// says reports whether two calls are the same to those who entered them.
func (c Call) says(d Call) bool {
	return c.Outcome == d.Outcome && c.Phone == d.Phone && c.Note == d.Note && c.CallAt.Equal(d.CallAt) && maps.Equal(c.Choices, d.Choices)
}

// ErrRecorded is the conflict of an entry whose ID is that of a call that is recorded and
// says something else: somebody went back to a form and changed it. It needs a new ID.
var ErrRecorded = problem.New(problem.Conflict,
	"この画面からは、別の内容をすでに記録しています。今の内容も記録する場合は、もう一度押してください。",
	"Something else was already recorded from this page. To record what it says now as well, press once more.")

func part(alertID string) string { return "desk/" + alertID }

func key(ref alert.Ref) table.Key {
	return table.Key{Partition: part(ref.Alert) + "/" + ref.Class, Sort: ref.Family}
}

const changes = "changes/"

func (r Record) changed(ref alert.Ref) table.Op {
	deltas := map[string]int64{"n": 1}
	maps.Copy(deltas, r.counts)
	return table.Add{Key: table.Key{Partition: part(ref.Alert), Sort: changes + ref.Class}, Deltas: deltas}
}

// ops returns the writes of a record.
func (r Record) ops(ref alert.Ref) []table.Op {
	return []table.Op{table.Put(table.Item{Key: key(ref), Revision: r.revision, Value: table.Encode(r)}), r.changed(ref)}
}

// Record reads what the desk knows of a family; nothing is a record, too.
func (d Desk) Record(ctx context.Context, ref alert.Ref) (Record, error) {
	item, err := d.Alerts.Table.Get(ctx, key(ref))
	if errors.Is(err, table.ErrNotFound) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, err
	}
	return decode(item)
}

func decode(item table.Item) (Record, error) {
	r := Record{revision: item.Revision}
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return r, fmt.Errorf("desk: item %s: %w", item.Key, err)
	}
	return r, nil
}

// Version names the state of a desk: it is another whenever a family may have come
// onto it or gone, or been taken in hand. It reads eight counters, and one a class.
func (d Desk) Version(ctx context.Context, alertID string) (string, error) {
	pulse, err := d.Alerts.Pulse(ctx, alertID)
	if err != nil {
		return "", err
	}
	var n int64
	for item, err := range table.Items(ctx, d.Alerts.Table, table.Query{Partition: part(alertID), Prefix: changes}) {
		if err != nil {
			return "", err
		}
		n += item.Counts["n"]
	}
	return pulse + "-" + strconv.FormatInt(n, 36), nil
}

// Claim gives a family into somebody's hands, for HoldFor. It fails with a conflict
// if a colleague has it, here or on another desk of the same scope, or if nothing is left
// to be asked.
func (d Desk) Claim(ctx context.Context, ref alert.Ref, who Person) (Record, error) {
	return first(Together{{d, ref}}.Claim(ctx, who))
}

var errSettled = problem.New(problem.Conflict,
	"この家庭からは、もう回答が届いています。電話は不要です。次の家庭に進んでください。",
	"This family has answered meanwhile, so there is no need to phone. Go on to the next.")

func heldBy(p Person) error {
	return problem.New(problem.Conflict,
		"%sさんが対応中です。別の家庭に進んでください。", "%s is phoning this family. Go on to another.", p.Name)
}

// Release gives a family back, if it is in somebody's hands.
func (d Desk) Release(ctx context.Context, ref alert.Ref, who Person) error {
	return Together{{d, ref}}.Release(ctx, who)
}

var errNothing = errors.New("desk: nothing to change")

func (r *Record) release() { r.Holder, r.Until, r.From, r.Note = Person{}, time.Time{}, Person{}, "" }

// HandOver gives a family from somebody's hands into a colleague's.
func (d Desk) HandOver(ctx context.Context, ref alert.Ref, from, to Person, note string) error {
	return Together{{d, ref}}.HandOver(ctx, from, to, note)
}

// Entry is a call to be entered.
type Entry struct {
	Call
	// Newest is when the newest answer was given that the caller saw on the screen;
	// zero: none.
	Newest time.Time
}

// Enter records a call and gives the family back. An entry that is sent again changes
// nothing; another with its ID fails with ErrRecorded. Of an outcome Answered the answers are recorded in the
// same write, also after the alert is over; if a guardian has answered since the
// caller looked, nothing is recorded and it is a conflict of the field "newest". Who
// has lost the family to a colleague meanwhile has phoned all the same: the call is
// recorded, and the colleague keeps the family.
func (d Desk) Enter(ctx context.Context, a alert.Alert, ref alert.Ref, e Entry) (Record, error) {
	if err := d.check(a, &e); err != nil {
		return Record{}, err
	}
	t := Together{{d, ref}}
	enter := func(_ *alert.Family, r *Record) error { return r.enter(e.Call, d.Alerts.Now()) }
	if e.Outcome != Answered {
		r, err := first(t.change(ctx, enter))
		return r, unlessNothing(err)
	}
	f, err := d.Alerts.Family(ctx, ref)
	if err != nil {
		return Record{}, err
	}
	families := []alert.Family{f}
	var r []Record
	err = d.Alerts.Answer(ctx, a, alert.AnswerRequest{
		Ref: ref, Guardian: -1, By: e.By.ID, Way: alert.ByPhone, Choices: e.Choices, Newest: &e.Newest, Late: true,
		With: func() (ops []table.Op, err error) {
			if r, err = t.records(ctx); err != nil {
				return nil, err
			}
			return t.plan(ctx, r, families, enter)
		},
	})
	if errors.Is(err, alert.ErrNewer) {
		// The entry's own answer is the newest if it was recorded before.
		r, err := d.Record(ctx, ref)
		if err != nil {
			return r, err
		}
		there, err := r.has(e.Call)
		if err == nil && !there {
			err = d.overtaken(ctx, a, ref, r)
		}
		return r, err
	}
	return first(r, unlessNothing(err))
}

// overtaken says which answer came before a call was entered, and through whom.
func (d Desk) overtaken(ctx context.Context, a alert.Alert, ref alert.Ref, r Record) error {
	f, err := d.Alerts.Family(ctx, ref)
	if err != nil {
		return err
	}
	var newest alert.Answer
	for _, c := range f.Children {
		if c.Answer != nil && c.Answer.At.After(newest.At) {
			newest = *c.Answer
		}
	}
	who, choice := r.whoSaid(newest), lang.Text{JA: newest.Choice, EN: newest.Choice}
	if c, ok := a.Choice(newest.Choice); ok {
		choice = c.Text()
	}
	return problem.New(problem.Conflict,
		"入力している間に、別の回答が届きました：%[1]s「%[3]s」。まだ記録していません。それでも電話で聞いた内容を記録するかどうか、選んでください。",
		"Another answer came while you were entering this: %[2]s, “%[4]s”. Nothing is recorded yet. Decide whether to record what you heard on the phone all the same.",
		who.JA, who.EN, choice.JA, choice.EN).In("newest")
}

// whoSaid says through whom an answer came. Guardians are not named: devices keep the words.
func (r *Record) whoSaid(a alert.Answer) lang.Text {
	for _, c := range r.Calls {
		if a.Way == alert.ByPhone && c.By.ID == a.By {
			return lang.T("%sさんの電話", "told to %s on the phone", c.By.Name)
		}
	}
	if a.Way == alert.ByPhone || a.Way == alert.ByStaff {
		return lang.T("教職員の確認", "from a colleague")
	}
	return lang.T("保護者の回答", "from a guardian")
}

// unlessNothing passes over that there was nothing to change.
func unlessNothing(err error) error {
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// enter adds a call. It fails with errNothing if it is there, and with ErrRecorded if
// another is.
func (r *Record) enter(c Call, now time.Time) error {
	there, err := r.has(c)
	if err != nil {
		return err
	}
	if there {
		return errNothing
	}
	c.At = now.UTC()
	r.counts = map[string]int64{outcomePrefix + string(c.Outcome): 1, minutePrefix + strconv.FormatInt(c.At.Unix()/60, 10): 1}
	r.Calls, r.entered = append(r.Calls, c), &c
	r.Calls = r.Calls[max(0, len(r.Calls)-maxCalls):]
	if !r.Held(now) || r.Holder.ID == c.By.ID {
		r.release()
	}
	return nil
}

// InPart reports whether a family is in the n-th of parts into which callers have
// split a list, n from 1. Parts do not change while families come and go.
func InPart(family string, n, parts int) bool {
	if parts < 2 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(family))
	return int(h.Sum32()%uint32(parts)) == n-1
}
