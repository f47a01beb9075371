package alert

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// AnswerRequest is what somebody says for children of one family.
type AnswerRequest struct {
	Ref      Ref
	Guardian int    // index of the guardian who answers; -1: staff, for any child
	By       string // guardian or staff id
	Contact  string // through whose link it came; "": through none
	Way      Way
	Choices  map[string]string // child id -> choice id
	ID       string            // made with the form: an answer that is sent again counts once; "": each counts

	// At is when it was said, if that is known to be earlier than now; zero: now.
	At time.Time
	// Newest, if set, is when the newest answer was given of which the person knew. If
	// a child has a newer one nothing is recorded, and the error is ErrNewer.
	Newest *time.Time
	Late   bool // what staff learned counts also after the alert is over
	// With, unless nil, returns further ops of the same write. It is called again if
	// the write conflicts, so it reads anew what it changes.
	With func() ([]table.Op, error)
}

// ErrNewer says that somebody has answered meanwhile.
var ErrNewer = errors.New("alert: somebody has answered meanwhile")

// Answer records answers. A later one replaces an earlier one, and every one is
// kept in the child's history. It fails with a problem if the alert is over, if a
// choice is not offered, or if the guardian does not answer for a child; then
// nothing is recorded.
func (s *Store) Answer(ctx context.Context, a Alert, r AnswerRequest) error {
	now := s.Now().UTC()
	if !a.Useful(now) && !(r.Late && a.told(now)) {
		return problem.New(problem.Gone, "この連絡への回答の受付は終わりました。急ぎの場合は、学校へお電話ください。", "Answers to this alert are closed. If it is urgent, please phone the school.")
	}
	if len(r.Choices) == 0 {
		return problem.New(problem.Invalid, "回答を選んでから、送信してください。", "Choose an answer, then send it.")
	}
	var refused error
	var history []table.Op
	if r.At.IsZero() {
		r.At = now
	}
	apply := func(f *Family) bool {
		var known bool
		if known, refused = s.recorded(ctx, r); known || refused != nil {
			return false
		}
		history, refused = f.answer(a, r, s.IDs.New)
		if refused == nil && r.With != nil {
			var more []table.Op
			more, refused = r.With()
			history = append(history, more...)
		}
		return refused == nil
	}
	err := s.Update(ctx, Change{Ref: r.Ref, Apply: apply, More: func() []table.Op { return history }})
	if err != nil {
		return err
	}
	return refused
}

// answer records r in f and returns the ops that keep the history and the curve.
// If it returns an error f may be half changed and must be thrown away.
func (f *Family) answer(a Alert, r AnswerRequest, newID func() string) ([]table.Op, error) {
	var ops []table.Op
	t := tallies{}
	known := 0
	lanes := f.firstByLane(r.Contact)
	spared := lanes
	for i := range f.Children {
		c := &f.Children[i]
		choiceID, said := r.Choices[c.ID]
		if !said {
			continue
		}
		known++
		if r.Newest != nil && c.Answer != nil && c.Answer.At.After(*r.Newest) {
			return nil, ErrNewer
		}
		choice, offered := a.Choice(choiceID)
		if !offered {
			return nil, problem.New(problem.Invalid, "その回答は選べません。表示されている回答から選んでください。", "That answer is not offered. Choose one of those shown.")
		}
		if r.Guardian >= 0 && !slices.Contains(c.Guardians, r.Guardian) {
			return nil, notYours
		}
		first := c.Answer == nil
		if first {
			key, field := curveCounter(curveStep(r.At.Sub(a.Starts)), f.ID)
			t.add(key, field, 1)
			for _, field := range lanes {
				t.add(key, field, 1) // rides on a counter that is written anyway
			}
			lanes = nil
		}
		c.Answer = &Answer{Choice: choice.ID, Help: choice.Help, At: r.At, Way: r.Way, By: r.By}
		id := r.ID
		if id == "" {
			id = newID()
		}
		made := recorded{Answer: *c.Answer, Family: r.Ref.Family, Contact: r.Contact}
		if r.Way == ByStaff {
			made.First, made.Spared = first, spared
			spared = nil
		}
		ops = append(ops, table.Create{Key: answerKey(r.Ref, c.ID, id), Value: table.Encode(made)})
	}
	if known != len(r.Choices) {
		return nil, notYours
	}
	return append(ops, t.ops(a.ID, "")...), nil
}

// firstByLane returns the fields that count a family's first answer by the lanes of its
// copies: the one through whose link it came has been answered, and the others are
// spared, so that nobody waits for them. There are none if it is not the first.
func (f *Family) firstByLane(contact string) (fields []string) {
	if f.answered() {
		return nil
	}
	for i := range f.Copies {
		c := &f.Copies[i]
		field := sparedPrefix + c.Lane
		if c.Contact == contact {
			field = viaPrefix + c.Lane
		} else if c.State != Sent && c.State != Delivered {
			continue
		}
		if len(field) <= table.MaxFieldBytes {
			fields = append(fields, field)
		}
	}
	return fields
}

// recorded is an answer as the history keeps it.
type recorded struct {
	Answer
	Family  string `json:"f,omitempty"`
	Contact string `json:"k,omitempty"`

	// Of what staff recorded, so that it can be taken back:
	First  bool     `json:"1,omitempty"` // it was the child's first
	Spared []string `json:"s,omitempty"` // fields of the curve's counter that it added to

	Back   time.Time `json:"x,omitzero"`  // when it was taken back
	BackBy string    `json:"y,omitempty"` // by whom: a staff id
}

// recorded reports whether an answer with the request's ID is there.
func (s *Store) recorded(ctx context.Context, r AnswerRequest) (bool, error) {
	if r.ID == "" {
		return false, nil
	}
	for child := range r.Choices {
		_, err := s.item(ctx, answerKey(r.Ref, child, r.ID))
		if !errors.Is(err, ErrNotFound) {
			return err == nil, err
		}
	}
	return false, nil
}

// Heard returns when the contacts of a class's families last answered through
// their links: by family, by contact. Answers of before this was kept are left out.
func (s *Store) Heard(ctx context.Context, alert, class string) (map[string]map[string]time.Time, error) {
	heard := map[string]map[string]time.Time{}
	q := table.Query{Partition: classPartition(alert, class), Prefix: answerPrefix}
	for item, err := range table.Items(ctx, s.Table, q) {
		if err != nil {
			return nil, err
		}
		var a recorded
		if err := json.Unmarshal(item.Value, &a); err != nil || a.Contact == "" {
			continue
		}
		if heard[a.Family] == nil {
			heard[a.Family] = map[string]time.Time{}
		}
		if a.At.After(heard[a.Family][a.Contact]) {
			heard[a.Family][a.Contact] = a.At
		}
	}
	return heard, nil
}

var notYours = problem.New(problem.Forbidden, "このお子さんの回答はできません。メールのリンクをもう一度開いてください。", "You cannot answer for this child. Open the link in the mail again.")

func answerKey(r Ref, child, id string) table.Key {
	return table.Key{Partition: classPartition(r.Alert, r.Class), Sort: answerPrefix + child + "/" + id}
}

const answerPrefix = "answer/"

// Said is an answer as it was given, and whether it was taken back.
type Said struct {
	Answer
	Back   time.Time // when it was taken back; zero: it was not
	BackBy string    // by whom: a staff id
}

// History returns all answers for a child, oldest first.
func (s *Store) History(ctx context.Context, r Ref, child string) ([]Said, error) {
	items, err := s.history(ctx, r, child)
	said := make([]Said, len(items))
	for i, item := range items {
		said[i] = Said{item.Answer, item.Back, item.BackBy}
	}
	return said, err
}

// kept is an answer of the history, with what it takes to change it.
type kept struct {
	recorded
	item table.Item
}

func (s *Store) history(ctx context.Context, r Ref, child string) (all []kept, err error) {
	q := table.Query{Partition: classPartition(r.Alert, r.Class), Prefix: answerPrefix + child + "/"}
	for item, err := range table.Items(ctx, s.Table, q) {
		if err != nil {
			return nil, err
		}
		k := kept{item: item}
		if err := json.Unmarshal(item.Value, &k.recorded); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortStableFunc(all, func(a, b kept) int { return a.At.Compare(b.At) }) // ids are made with the forms
	return all, nil
}
