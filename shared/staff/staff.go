// Package staff knows who works at a school, and who is signed in.
//
// Nobody has a password. A person signs in with a passkey, or with a link that works
// once; a program calls with a token that can be taken back. Both, and the sessions that
// follow, are random numbers too large to guess, and only their SHA-256 is kept:
// who reads the store learns nothing to sign in with, and a look-up compares
// nothing that a stopwatch could measure.
package staff

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// MaxName is the most characters of a name, of a person or of a token.
const MaxName = 100

// Role says what a member of staff may do; package access knows what that is.
type Role string

// The roles.
const (
	Teacher  Role = "teacher"  // the own groups
	Manager  Role = "manager"  // the whole school
	District Role = "district" // every school of the district
	Viewer   Role = "viewer"   // looks and phones, at the call desk
)

// Staff is a member of staff.
type Staff struct {
	ID     string `json:"id"`
	School string `json:"school"`
	Name   string `json:"name"`
	Mail   string `json:"mail,omitempty"` // where replies to the person's alerts go
	Role   Role   `json:"role"`
	// Groups are a teacher's own: classes and others, grades as their classes.
	Groups []string `json:"groups,omitempty"`
	// District is that of a person with that role.
	District string `json:"district,omitempty"`
	// Disabled people cannot sign in, and are signed out with their next request.
	Disabled bool `json:"disabled,omitempty"`
	// Epoch counts how often the person was disabled. Sessions, links and tokens of an
	// earlier one are void for good, also when the person is enabled again.
	Epoch int `json:"epoch,omitempty"`

	Revision int64 `json:"-"` // of the item it was read from
	// Via is the id of the session or API token by which the person was recognised.
	Via string `json:"-"`
	// At is the school to which the session of somebody of the district has turned; "":
	// none.
	At string `json:"-"`
	// Proven is when the person last proved who they are in the session; zero: never, or
	// by a way that is weaker than one that they have.
	Proven time.Time `json:"-"`
	// Only are the actions to which the API token is limited; none: it is not.
	Only []string `json:"-"`
}

// out reports whether what was made in an epoch no longer signs the person in.
func (m Staff) out(epoch int) bool { return m.Disabled || m.Epoch != epoch }

// Store keeps staff in a table:
//
//	staff/<id>             staff             a Staff
//	                       token/<token>     an API token of theirs: where it is kept
//	                       key/<key>         a passkey of theirs
//	                       session/<session> a session of theirs: where it is kept
//	                       subject           what an OpenID provider calls them
//	                       signed-in         when they last signed in
//	                       code              a printed code of theirs: where it is kept
//	                       allowed           they may sign in once by a way that is barred
//	school/<school>/staff  <id>              who works at the school
//	school/<school>/sign-in  rule            by what they sign in
//	staffmail/<hash>       <id>              who has a mail address
//	signin/<hash>          signin            a sign-in link that was not used yet
//	session/<hash>         session           somebody who is signed in
//	token/<hash>           token             an API token
//	tokens-ending          <time>/<id>/<token>  when to tell that a token ends
//	ceremony/<hash>        ceremony          a touch that has begun
//	known/<hash>           known             who has signed in in a browser
//
// A hash is that of the secret which the person or the program holds. Every
// look-up reads the Staff anew, so a change of role counts from the next request.
type Store struct {
	Table  table.Table
	IDs    *id.Source
	Now    func() time.Time
	Random io.Reader // of cryptographic quality; must not fail
}

// ErrNotFound says that there is no such member of staff, or token.
var ErrNotFound = errors.New("staff: not found")

// errStale says that somebody else changed a Staff after it was read.
var errStale = problem.New(problem.Conflict,
	"ほかの人が先に変更しました。画面を開き直してから、もう一度変更してください。",
	"Somebody else changed this first. Open the page again, then make your change.")

func staffKey(staffID string) table.Key {
	return table.Key{Partition: "staff/" + staffID, Sort: "staff"}
}

func memberKey(school, staffID string) table.Key {
	return table.Key{Partition: "school/" + school + "/staff", Sort: staffID}
}

// PutStaff writes a member of staff and returns it as it is stored: new and with
// an ID if it has none, else in place of the one of its Revision. It fails with
// the problems of the fields, or with a Conflict if another change came first.
func (s *Store) PutStaff(ctx context.Context, m Staff) (Staff, error) {
	if wrong := m.check(); len(wrong) > 0 {
		return m, wrong
	}
	if m.ID == "" {
		return s.create(ctx, m)
	}
	old, err := s.Staff(ctx, m.ID)
	if err != nil {
		return m, err
	}
	ops := []table.Op{table.Replace{Key: staffKey(m.ID), Revision: m.Revision, Value: table.Encode(m)}}
	if old.School != m.School {
		ops = append(ops, table.Delete{Key: memberKey(old.School, m.ID), Revision: 1}, table.Create{Key: memberKey(m.School, m.ID)})
	}
	mail, err := s.mailOps(ctx, old, m)
	if err != nil {
		return m, err
	}
	if err := s.write(ctx, append(ops, mail...)...); err != nil {
		return m, stale(err)
	}
	m.Revision++
	return m, nil
}

func (s *Store) create(ctx context.Context, m Staff) (Staff, error) {
	m.ID = s.IDs.New()
	ops := []table.Op{table.Create{Key: staffKey(m.ID), Value: table.Encode(m)}, table.Create{Key: memberKey(m.School, m.ID)}}
	mail, err := s.mailOps(ctx, Staff{ID: m.ID}, m)
	if err != nil {
		return m, err
	}
	err = s.write(ctx, append(ops, mail...)...)
	m.Revision = 1
	return m, stale(err)
}

func stale(err error) error {
	if _, conflict := table.Conflict(err); conflict {
		return errStale.Because(err)
	}
	return err
}

func (m Staff) check() problem.List {
	var l problem.List
	if m.School == "" {
		l = append(l, problem.New(problem.Invalid, "学校を選んでください。", "Choose a school.").In("school"))
	}
	if e := CheckName(m.Name); e != nil {
		l = append(l, e)
	}
	switch m.Role {
	case Teacher, Manager, District, Viewer:
	default:
		l = append(l, problem.New(problem.Invalid, "役割（教員・管理者・教育委員会・閲覧者）を選んでください。", "Choose a role: teacher, manager, district or viewer.").In("role"))
	}
	return l
}

// CheckName says what is wrong with a name, of a person or of a token.
func CheckName(name string) *problem.Error {
	switch n := utf8.RuneCountInString(name); {
	case strings.TrimSpace(name) == "":
		return problem.New(problem.Invalid, "名前を入力してください。", "Enter a name.").In("name")
	case n > MaxName:
		return problem.New(problem.Invalid, "名前は%d文字までです。短くしてください。", "Shorten the name to at most %d characters.", MaxName).In("name")
	}
	return nil
}

// Staff reads a member of staff. It fails with ErrNotFound if there is none.
func (s *Store) Staff(ctx context.Context, staffID string) (Staff, error) {
	if _, ok := id.Bytes(staffID); !ok {
		return Staff{}, ErrNotFound
	}
	var m Staff
	rev, err := s.read(ctx, staffKey(staffID), &m)
	m.Revision = rev
	return m, err
}

// OfSchool reads who works at a school, in the order in which they were added. A
// school has a few hundred at most.
func (s *Store) OfSchool(ctx context.Context, school string) ([]Staff, error) {
	var all []Staff
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: memberKey(school, "").Partition}) {
		if err != nil {
			return nil, err
		}
		m, err := s.Staff(ctx, item.Sort)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// read decodes the record under key into v and returns its revision.
func (s *Store) read(ctx context.Context, key table.Key, v any) (int64, error) {
	return table.Read(ctx, s.Table, key, v, ErrNotFound)
}

// writeTries bounds how often a write is repeated while the store is busy. The
// token keeps a repeated one from finding its own first attempt in the way.
const writeTries = 3

func (s *Store) write(ctx context.Context, ops ...table.Op) error {
	token := s.IDs.New()
	var err error
	for range writeTries {
		err = s.Table.Write(ctx, token, ops...)
		if !errors.Is(err, table.ErrBusy) {
			return err
		}
	}
	return err
}
