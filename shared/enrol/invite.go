package enrol

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// MaxRows is how many rows the office can paste at once.
const MaxRows = 500

// Invitation is what the office pastes for a class: one address a row, with or
// without the child's name or seat number before it.
type Invitation struct {
	School string
	Class  roster.Group
	By     string // id of the staff member
	Text   string
	// Sure says that doubtful addresses are meant as they are: those with a likely typing
	// error, and those of an office or a mailing list.
	Sure bool
	// Refused returns a problem for those of the domains that receive no mail; nil: none.
	Refused func(domains []string) map[string]*problem.Error
}

// Outcome says what became of a row.
type Outcome string

// The outcomes.
const (
	DidInvite Outcome = "invited"
	Already   Outcome = "already" // it is verified, or invited and waiting: nothing was sent
	Doubtful  Outcome = "doubt"   // see Invitation.Sure: nothing was sent
	Failed    Outcome = "failed"
)

// Row is a pasted row and what became of it.
type Row struct {
	Number  int // from 1
	Text    string
	Address string // as it was understood; "" if it was not
	Child   string // whose guardian's it is; "" if the row names none
	Outcome Outcome
	Why     lang.Text

	child roster.Child
	in    ChildRef
}

// Invite takes the rows one by one. A row with a child puts its address into the
// roster as an unverified contact, which gets alerts, last in its lane; a row
// without one only asks the guardian to register with a slip's code. Each good row
// becomes a Join, and its mail waits for the tick, which feeds the lanes (Feed).
//
// Rows that fail keep no other from being taken. The error is that of the store;
// what was taken before it stays, and the same text can be sent again.
func (s *Store) Invite(ctx context.Context, in Invitation, lanes *lane.Lanes) ([]Row, error) {
	rows := readRows(in.Text)
	if len(rows) == 0 {
		return nil, problem.New(problem.Invalid, "メールアドレスを1行に1件ずつ入力してください。", "Enter the addresses, one on each line.").In("rows")
	}
	if len(rows) > MaxRows {
		return nil, problem.New(problem.Invalid, "一度に%d行までです。分けて入力してください。", "At most %d rows at once. Please split them.", MaxRows).In("rows")
	}
	class, err := s.children(ctx, in.School, in.Class.ID)
	if err != nil {
		return nil, err
	}
	addrs := make([]address.Address, len(rows))
	for i := range rows {
		addrs[i] = rows[i].read(class, in.Sure)
	}
	refuseDomains(rows, addrs, in.Refused)
	for i := range rows {
		if rows[i].Outcome != "" {
			continue
		}
		if err := s.inviteRow(ctx, in, &rows[i], addrs[i], lanes); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

func readRows(text string) []Row {
	var rows []Row
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			rows = append(rows, Row{Number: i + 1, Text: line})
		}
	}
	return rows
}

// pupil is a child of a class with where it is.
type pupil struct {
	roster.Child
	ref ChildRef
}

// children reads the children of a class, or of the whole school if class is "".
func (s *Store) children(ctx context.Context, school, class string) ([]pupil, error) {
	var all []pupil
	for f, err := range s.Roster.All(ctx, school) {
		if err != nil {
			return nil, err
		}
		for _, c := range f.Children {
			if class == "" || c.In(map[string]bool{class: true}) {
				all = append(all, pupil{c, ChildRef{f.ID, c.ID}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pupil) int { return a.Seat - b.Seat })
	return all, nil
}

// Pupils returns the children of a class by seat, with where they are.
func (s *Store) Pupils(ctx context.Context, school, class string) ([]roster.Child, []ChildRef, error) {
	all, err := s.children(ctx, school, class)
	children, refs := make([]roster.Child, len(all)), make([]ChildRef, len(all))
	for i, p := range all {
		children[i], refs[i] = p.Child, p.ref
	}
	return children, refs, err
}

// read takes a row apart: what has an @ is the address, the rest names the child.
func (r *Row) read(class []pupil, sure bool) address.Address {
	var mails, words []string
	for _, w := range strings.FieldsFunc(r.Text, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(",、;；<>＜＞\"“”", c) }) {
		if strings.ContainsAny(w, "@＠") {
			mails = append(mails, w)
		} else {
			words = append(words, w)
		}
	}
	if len(mails) == 0 {
		mails = words
	}
	a, err := address.Parse(strings.Join(mails, " "))
	if err != nil {
		r.Outcome, r.Why = Failed, problem.Of(err)[0].Text
		return a
	}
	r.Address = a.String()
	if len(words) > 0 {
		r.find(class, strings.Join(words, ""))
	}
	if doubts := address.Doubts(a); len(doubts) > 0 && !sure && r.Outcome == "" {
		r.Outcome, r.Why = Doubtful, doubts[0]
		for _, d := range doubts[1:] {
			r.Why = lang.Text{JA: r.Why.JA + " " + d.JA, EN: r.Why.EN + " " + d.EN}
		}
		if better, ok := address.Suggest(a); ok {
			r.Why = lang.T("「%s」ではありませんか。直して、もう一度送ってください。", "Is it %s? Correct it and send it again.", better.String())
		}
	}
	return a
}

// find finds the child that a row names, by name, reading or seat.
func (r *Row) find(class []pupil, named string) {
	var found []pupil
	seat, err := strconv.Atoi(strings.TrimSuffix(fold(named), "番"))
	for _, p := range class {
		if err == nil && p.Seat == seat || fold(p.Name) == fold(named) || p.Kana != "" && fold(p.Kana) == fold(named) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		r.Child, r.child, r.in = found[0].Name, found[0].Child, found[0].ref
	case 0:
		r.Outcome = Failed
		r.Why = lang.T("この組に「%s」が見つかりません。氏名か出席番号を確かめてください。", "There is no “%s” in this class. Check the name or the seat number.", named)
	default:
		r.Outcome = Failed
		r.Why = lang.T("この組に「%s」が%d人います。出席番号で書いてください。", "“%s” fits %d children of this class. Use the seat number.", named, len(found))
	}
}

func refuseDomains(rows []Row, addrs []address.Address, ask func([]string) map[string]*problem.Error) {
	if ask == nil {
		return
	}
	var domains []string
	for i, r := range rows {
		if r.Outcome == "" && !slices.Contains(domains, addrs[i].Domain) {
			domains = append(domains, addrs[i].Domain)
		}
	}
	refused := ask(domains)
	for i := range rows {
		if e := refused[addrs[i].Domain]; e != nil && rows[i].Outcome == "" {
			rows[i].Outcome, rows[i].Why = Failed, e.Text
		}
	}
}

func (s *Store) inviteRow(ctx context.Context, in Invitation, r *Row, a address.Address, lanes *lane.Lanes) error {
	j := Join{School: in.School, Door: Open, Group: in.Class.ID, Address: r.Address, By: in.By}
	if r.Child != "" {
		j.Door, j.Children = Office, []ChildRef{r.in}
	}
	done, err := s.already(ctx, j, r)
	if err != nil || done {
		return err
	}
	j.ID = s.IDs.New()
	if len(j.Children) > 0 {
		err := s.enter(ctx, j, roster.Unverified)
		if l, told := refusal(err); told {
			r.Outcome, r.Why = Failed, l
			return nil
		}
		if err != nil {
			return err
		}
	}
	l := lanes.Of(a.Domain)
	j.Lane, j.Slots = l.Name, l.Slots
	if _, err := s.keep(ctx, j); err != nil {
		return err
	}
	r.Outcome = DidInvite
	return nil
}

func refusal(err error) (lang.Text, bool) {
	var e *problem.Error
	if errors.As(err, &e) && (e.Kind == problem.Invalid || e.Kind == problem.Conflict || e.Kind == problem.Gone) {
		return e.Text, true
	}
	return lang.Text{}, false
}

// already reports whether nothing needs to be sent: the address is verified for
// the child, or for anybody where the row names none, or it was asked and the
// answer is still awaited.
func (s *Store) already(ctx context.Context, j Join, r *Row) (bool, error) {
	if _, waits, err := s.waiting(ctx, j); err != nil || waits {
		r.Outcome, r.Why = Already, lang.T("すでに招待済みで、確認を待っています。", "It was invited already and is waited for.")
		return waits, err
	}
	place, err := s.Roster.FindByAddress(ctx, j.School, key(j.Address))
	if err != nil {
		return false, ignoreNotFound(err)
	}
	f, err := s.Roster.Family(ctx, j.School, place.Family)
	if err != nil {
		return false, ignoreNotFound(err)
	}
	g, _ := f.Guardian(place.Guardian)
	for _, c := range g.Contacts {
		if c.ID == place.Contact && c.State == roster.Verified && (r.Child == "" || answersFor(f, g.ID, r.child.ID)) {
			r.Outcome, r.Why = Already, lang.T("すでに登録・確認済みです。", "It is registered and confirmed already.")
			return true, nil
		}
	}
	return false, nil
}

func answersFor(f roster.Family, guardian, child string) bool {
	c, _ := f.Child(child)
	return c.AnsweredBy(guardian)
}

// due is a letter that the tick has to send.
type due struct {
	School string `json:"s"`
	Join   string `json:"j"`
	Group  string `json:"g"` // of the copies' queue: lane#slot
	Slots  int    `json:"n"` // of its lane
	Number int    `json:"c"` // of the letter: 0 is the first; how often it was tried, of one to the school
	// Of a letter to the school, and then there is no join.
	Lost    []ChildRef `json:"l,omitempty"` // children who may have lost their last route
	Contact string     `json:"k,omitempty"` // the one that they lost
}

const duePart = "enrol/due"

func dueSort(at time.Time, join string) string {
	return at.UTC().Format("2006-01-02T15:04:05Z") + "/" + join
}

// dueOp has the join's letter of a number sent at a time.
func (j Join) dueOp(at time.Time, number int) table.Op {
	l := lane.Lane{Name: j.Lane, Slots: max(j.Slots, 1)}
	d := due{School: j.School, Join: j.ID, Group: l.Group(l.Slot(j.ID)), Slots: l.Slots, Number: number}
	return table.Create{Key: table.Key{Partition: duePart, Sort: dueSort(at, j.ID)}, Value: table.Encode(d)}
}

// hasID reports whether the join was given its id already.
func (j Join) hasID() bool { _, ok := id.Bytes(j.ID); return ok }
