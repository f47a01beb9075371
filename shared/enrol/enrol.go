// Package enrol gets guardians into the roster: the codes on the slips that
// children take home, the addresses that wait for their confirmation, and what
// a confirmation changes.
//
// There are three doors, and each makes a Join: the form behind a slip's code
// (Sheet), an empty mail to CODE@inbound domain (ByMail), and the office
// (Office). A Join is a contact in the state "invited". It is kept beside the
// roster, not in it, so that whoever types a stranger's address changes nothing
// for anybody: the address gets one mail, and only a POST from the page behind
// the link of that mail (Confirm) makes it a verified contact of the children.
// An address that the office entered is in the roster from the start, as an
// unverified contact, and its Join only asks for the confirmation.
//
// # Codes
//
// A code stands for one child of one school. It is ten characters of Alphabet,
// nine of chance (45 bits) and a check character, and is printed in two halves:
// "7K3MP-9QXZT" (Pretty). ParseCode takes it in any case and width, with or without
// hyphen and spaces, and reads O as 0 and I and L as 1, so "7k3mp9qxzt" is the
// local part of a mail to the inbound domain and the end of the page's address
// (BaseURL + "/register/" + code).
//
// What resists guessing: the 45 bits first, whoever guesses from wherever; then,
// for each source, MaxWrong wrong codes an hour, after which its codes are not
// looked at; and MaxJoins joins a day for each code, so that a slip that was found
// cannot be used to send mail to strangers. A page shows nothing of a child before
// an address was proven: the form answers alike for every code that is well formed.
package enrol

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Limits and lives.
const (
	CodeLife   = 90 * 24 * time.Hour // of a code from its printing: a term
	FreshLife  = 14 * 24 * time.Hour // a code with less than this left is printed anew
	JoinLife   = 30 * 24 * time.Hour // in which an address can be confirmed
	MaxCodes   = 6                   // children whom one form joins
	MaxWrong   = 20                  // wrong codes an hour from one source
	MaxJoins   = 20                  // joins a day with one code
	MaxLetters = 5                   // mails a day that one address gets from doors which strangers can use
	Again      = time.Minute         // between two mails of one Join
)

// Door is the way by which an address came.
type Door string

// The doors.
const (
	Sheet  Door = "sheet"  // a slip's code, typed or scanned
	ByMail Door = "mail"   // an empty mail to CODE@inbound domain
	Office Door = "office" // staff entered it: it is in the roster, unverified
	Open   Door = "open"   // staff invited it without a child: the guardian needs a slip's code
	Self   Door = "self"   // a guardian added it on his or her own page
	// Recheck asks a contact that was verified whether it still works.
	Recheck Door = "recheck"
)

// ChildRef says where a child is. Family is a hint: families merge, and then the
// child is found in the one that it is in now.
type ChildRef struct {
	Family string `json:"f"`
	Child  string `json:"c"`
}

// Join is an address that waits for its confirmation, and what is to become of it.
type Join struct {
	ID       string     `json:"id"`
	School   string     `json:"school"`
	Door     Door       `json:"door"`
	Children []ChildRef `json:"children,omitempty"` // none of an Open one
	Group    string     `json:"group,omitempty"`    // the class for which the office entered it
	Address  string     `json:"address"`            // as address.Address.String writes it
	Name     string     `json:"name,omitempty"`     // of the guardian
	Relation string     `json:"relation,omitempty"`
	Guardian string     `json:"guardian,omitempty"` // id, where it is known already
	Replaces string     `json:"replaces,omitempty"` // id of the guardian's contact in whose place it comes
	Lang     lang.Lang  `json:"lang,omitempty"`
	By       string     `json:"by,omitempty"`    // id of the staff member who entered it
	Lane     string     `json:"lane,omitempty"`  // of an invitation, which goes through the copies' queue
	Slots    int        `json:"slots,omitempty"` // of that lane
	Made     time.Time  `json:"made"`
	Expires  time.Time  `json:"expires"` // the confirmation's end; reminders end before

	Mail      Letter    `json:"mail"` // the newest mail that asks for the confirmation
	Confirmed time.Time `json:"confirmed,omitzero"`

	Revision int64 `json:"-"`
}

// LetterState says what became of a mail that asks for a confirmation.
type LetterState string

// The states of such a mail. Waiting is also that of one which an operator put off.
const (
	Waiting   LetterState = ""
	Accepted  LetterState = "accepted"  // by the operator, which is not yet the mailbox
	Delivered LetterState = "delivered" // as the operator says
	Refused   LetterState = "refused"
)

// Letter is what is known of the newest mail of a Join.
type Letter struct {
	State  LetterState `json:"state,omitempty"`
	At     time.Time   `json:"at,omitzero"`   // of the state
	Sent   time.Time   `json:"sent,omitzero"` // when it was last begun
	Tries  int         `json:"tries,omitempty"`
	Code   int         `json:"code,omitempty"`
	Status string      `json:"status,omitempty"` // RFC 3463
	Reason string      `json:"reason,omitempty"` // the operator's words, without addresses
}

// Open reports whether the join can still be confirmed.
func (j Join) Open(now time.Time) bool { return j.Confirmed.IsZero() && now.Before(j.Expires) }

// Store keeps codes and joins in a table:
//
//	school/<school>/codes   <child>          Pass: the code that the child has now
//	code/<code>             code             which school and child it is for
//	school/<school>/joins   <join>           Join
//	school/<school>/asked   <hash>           which Join an address waits with
//	limit/<kind>/<hash>     <window>         how often something was done; ends by itself
//	enrol/due               <time>/<join>    letters that the tick sends (feed.go)
//
// Codes are kept as they are printed: a slip can be printed again, and whoever
// reads the store reads names and addresses anyway (docs/decisions/0019).
//
// Its methods are safe for concurrent use.
type Store struct {
	Table  table.Table
	Roster *roster.Store
	IDs    *id.Source
	Now    func() time.Time
	Random io.Reader // of cryptographic quality; must not fail
}

// ErrNotFound says that there is no such join.
var ErrNotFound = errors.New("enrol: not found")

// Request is what somebody asks for at a door.
type Request struct {
	Codes    []string // as typed; at least one
	Address  address.Address
	Name     string
	Relation string
	Lang     lang.Lang
	Door     Door
	// Source is where the request came from, an IP address for example, for the
	// limit of wrong codes. "" is not limited: the caller has a limit of its own.
	Source string
}

// Errors for the person, to be shown in the field of the code.
var (
	ErrWrongCode = problem.New(problem.Invalid,
		"この登録コードは使えません。案内の紙を見ながら、もう一度入力してください。古い紙の場合は、学校に新しい紙をもらってください。",
		"This registration code does not work. Check it against the sheet and enter it again. If the sheet is old, ask the school for a new one.").In("code")
	ErrTooMany = problem.New(problem.TooMany,
		"試した回数が多いため、しばらく受け付けられません。1時間ほど待ってから、もう一度お試しください。お急ぎのときは学校に連絡してください。",
		"There were too many attempts. Wait about an hour, then try again. If it is urgent, call the school.")
	ErrEnded = problem.New(problem.Gone,
		"この確認用リンクの期限が切れました。もう一度、登録をやり直してください。",
		"This confirmation link has expired. Please register again.")
)

// Join checks the codes and keeps the address until it is confirmed. An address
// that waits with the same children already is not kept twice: its Join is
// returned as it is. The caller sends the mail (Poster.Send).
//
// It fails with ErrWrongCode, ErrTooMany, or a problem of another field.
func (s *Store) Join(ctx context.Context, r Request) (Join, error) {
	passes, err := s.passes(ctx, r)
	if err != nil {
		return Join{}, err
	}
	if wrong := r.check(passes); len(wrong) > 0 {
		return Join{}, wrong
	}
	j := r.join(passes)
	if before, ok, err := s.waiting(ctx, j); err != nil || ok {
		return before, err
	}
	for _, p := range passes {
		if err := s.spend(ctx, "join", p.Code, MaxJoins, 24*time.Hour); err != nil {
			return Join{}, err
		}
	}
	return s.keep(ctx, j)
}

// passes returns whom the codes stand for, each once.
func (s *Store) passes(ctx context.Context, r Request) ([]Pass, error) {
	if err := s.mayTry(ctx, r.Source); err != nil {
		return nil, err
	}
	var passes []Pass
	seen := map[string]bool{}
	for _, typed := range r.Codes {
		p, err := s.Pass(ctx, typed)
		if errors.Is(err, ErrWrongCode) {
			return nil, errors.Join(err, s.tried(ctx, r.Source))
		}
		if err != nil {
			return nil, err
		}
		if !seen[p.Code] {
			seen[p.Code] = true
			passes = append(passes, p)
		}
	}
	return passes, nil
}

func (r Request) check(passes []Pass) problem.List {
	var l problem.List
	switch {
	case len(passes) == 0:
		l = append(l, ErrWrongCode)
	case len(passes) > MaxCodes:
		l = append(l, problem.New(problem.Invalid, "一度に登録できるのは%d人までです。残りは、登録のあとで加えてください。",
			"At most %d children can be registered at once. Add the others afterwards.", MaxCodes).In("code"))
	default:
		for _, p := range passes {
			if p.School != passes[0].School {
				l = append(l, problem.New(problem.Invalid, "別の学校のコードが混ざっています。学校ごとに登録してください。",
					"These codes are of different schools. Please register for one school at a time.").In("siblings"))
				break
			}
		}
	}
	return append(l, CheckPerson(r.Name, r.Relation)...)
}

// CheckPerson returns what is wrong with a guardian's name and relation, in the
// fields "name" and "relation". Both may be empty.
func CheckPerson(name, relation string) problem.List {
	var l problem.List
	if utf8.RuneCountInString(name) > roster.MaxNameLength || strings.ContainsAny(name, "\r\n\x00") {
		l = append(l, problem.New(problem.Invalid, "お名前は%d文字以内で、1行で入力してください。",
			"Enter the name in one line of at most %d characters.", roster.MaxNameLength).In("name"))
	}
	if utf8.RuneCountInString(relation) > roster.MaxNameLength || strings.ContainsAny(relation, "\r\n\x00") {
		l = append(l, problem.New(problem.Invalid, "続柄は%d文字以内で、1行で入力してください。",
			"Enter the relation in one line of at most %d characters.", roster.MaxNameLength).In("relation"))
	}
	return l
}

func (r Request) join(passes []Pass) Join {
	j := Join{School: passes[0].School, Door: r.Door, Address: r.Address.String(),
		Name: strings.TrimSpace(r.Name), Relation: strings.TrimSpace(r.Relation), Lang: r.Lang}
	for _, p := range passes {
		j.Children = append(j.Children, p.ChildRef)
	}
	return j
}

// joinKept is for how long a join is kept after it could be confirmed, so that
// the office sees what became of it.
const joinKept = 90 * 24 * time.Hour

// keep writes a new join, that its address waits with it, and, of one with a lane,
// that its letter is due.
func (s *Store) keep(ctx context.Context, j Join) (Join, error) {
	if !j.hasID() {
		j.ID = s.IDs.New()
	}
	j.Made = s.Now().UTC()
	j.Expires = j.Made.Add(JoinLife).Truncate(time.Second)
	j.Revision = 1
	err := table.Again(func() error {
		_, rev, err := table.Load[asked](ctx, s.Table, askedKey(j))
		if err != nil {
			return err
		}
		end := j.Expires.Add(joinKept)
		now := table.Put(table.Item{Key: askedKey(j), Revision: rev, Value: table.Encode(asked{j.ID}), Expires: j.Expires})
		ops := []table.Op{table.Create{Key: joinKey(j.School, j.ID), Value: table.Encode(j), Expires: end}, now}
		if j.Lane != "" {
			ops = append(ops, j.dueOp(j.Made, 0))
		}
		return s.Table.Write(ctx, "", ops...)
	})
	return j, err
}

// asked says which join an address waits with: the newest.
type asked struct {
	Join string `json:"j"`
}

func askedKey(j Join) table.Key {
	return table.Key{Partition: "school/" + j.School + "/asked", Sort: hashed(key(j.Address))}
}

// waiting returns the open join of the same address and children, if it is the
// address's newest.
func (s *Store) waiting(ctx context.Context, want Join) (Join, bool, error) {
	var a asked
	_, err := s.read(ctx, askedKey(want), &a)
	if err != nil {
		return Join{}, false, ignoreNotFound(err)
	}
	j, err := s.Get(ctx, want.School, a.Join)
	if err != nil {
		return Join{}, false, ignoreNotFound(err)
	}
	return j, j.Open(s.Now()) && sameChildren(j.Children, want.Children), nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) || errors.Is(err, roster.ErrNotFound) {
		return nil
	}
	return err
}

func sameChildren(a, b []ChildRef) bool {
	if len(a) != len(b) {
		return false
	}
	have := map[string]bool{}
	for _, c := range a {
		have[c.Child] = true
	}
	for _, c := range b {
		if !have[c.Child] {
			return false
		}
	}
	return true
}

// key identifies the mailbox of an address.
func key(addr string) string { return roster.Contact{Address: addr}.Key() }

// Get reads a join. It fails with ErrNotFound if there is none.
func (s *Store) Get(ctx context.Context, school, joinID string) (Join, error) {
	if _, ok := id.Bytes(joinID); !ok || school == "" {
		return Join{}, ErrNotFound
	}
	var j Join
	rev, err := s.read(ctx, joinKey(school, joinID), &j)
	j.Revision = rev
	return j, err
}

// Joins reads all joins of a school that are kept, oldest first.
func (s *Store) Joins(ctx context.Context, school string) ([]Join, error) {
	var joins []Join
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: joinKey(school, "").Partition}) {
		if err != nil {
			return nil, err
		}
		j := Join{Revision: item.Revision}
		if err := json.Unmarshal(item.Value, &j); err != nil {
			return nil, err
		}
		joins = append(joins, j)
	}
	return joins, nil
}

// Change reads a join, has fn change it, and writes it; if fn returns false
// nothing is written. It begins anew if somebody else changes it meanwhile.
func (s *Store) Change(ctx context.Context, school, joinID string, fn func(*Join) bool) (Join, error) {
	var j Join
	err := table.Again(func() (err error) {
		if j, err = s.Get(ctx, school, joinID); err != nil || !fn(&j) {
			return err
		}
		err = s.Table.Write(ctx, "", table.Replace{Key: joinKey(school, joinID), Revision: j.Revision, Value: table.Encode(j), Expires: j.Expires.Add(joinKept)})
		j.Revision++
		return err
	})
	return j, err
}

func joinKey(school, join string) table.Key {
	return table.Key{Partition: "school/" + school + "/joins", Sort: join}
}

func (s *Store) read(ctx context.Context, key table.Key, v any) (int64, error) {
	return table.Read(ctx, s.Table, key, v, ErrNotFound)
}

// hashed is how what is limited is named: the store keeps no list of sources.
func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
