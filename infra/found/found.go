// Package found makes one-time sign-in links for those who have nobody to invite them:
// the first manager of a school, and whoever looks after a district's schools. If the
// school or the person is not there yet, it makes them.
//
// It writes to the table as the operator: on one machine through the running program,
// on AWS with the operator's own rights. What it does stands in the school's audit log.
package found

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// linkLife is how long the link works: who makes it is often not who uses it.
const linkLife = 24 * time.Hour

// Request says who wants to sign in where.
type Request struct {
	URL    string        `json:"url"`    // of the pages
	School roster.School `json:"school"` // by its name; the rest is of a new one, but Mail and Phone also correct it
	// Person is a manager of the school, or looks after all schools of the school's
	// district (Role); by the mail address.
	Person staff.Staff `json:"person"`
}

// Founder makes links, and what they need.
type Founder struct {
	Table  table.Table
	IDs    *id.Source
	Now    func() time.Time
	Random io.Reader
}

// Link returns the address of a one-time link. All is checked before anything is written.
func (f Founder) Link(ctx context.Context, r Request) (string, error) {
	was, isFirst, err := f.find(ctx, r.School.Name)
	if err != nil {
		return "", err
	}
	school, err := f.become(was, r.School)
	if err != nil {
		return "", err
	}
	people := &staff.Store{Table: f.Table, IDs: f.IDs, Now: f.Now, Random: f.Random}
	person, err := whom(ctx, people, school, r.Person)
	if err != nil {
		return "", err
	}
	if err := f.keep(ctx, was, school, isFirst); err != nil {
		return "", err
	}
	if person.ID == "" {
		if err := f.record(ctx, audit.Entry{School: school.ID, Kind: audit.People, Said: "追加: " + person.Name + " / " + string(person.Role)}); err != nil {
			return "", err
		}
		if person, err = people.PutStaff(ctx, person); err != nil {
			return "", err
		}
	}
	if err := f.record(ctx, audit.Entry{School: school.ID, Kind: audit.Link, What: person.ID, Said: person.Name}); err != nil {
		return "", err
	}
	token, err := people.NewLink(ctx, person.ID, linkLife)
	return strings.TrimSuffix(r.URL, "/") + "/sign-in/" + token, err
}

// New returns a school and its first manager as they are to be stored, or what is wrong
// with them.
func New(s roster.School, manager staff.Staff) (roster.School, staff.Staff, error) {
	s, err := newSchool(s)
	if err != nil {
		return s, manager, err
	}
	manager, err = NewManager(manager)
	return s, manager, err
}

// NewManager returns a manager as he or she is to be stored, or what is wrong.
func NewManager(m staff.Staff) (staff.Staff, error) {
	m.Role = staff.Manager
	return newPerson(m)
}

// about says which flag a problem is with.
func about(flag string, err error) error {
	why := problem.Of(err)[0].Text
	return problem.New(problem.Invalid, flag+": %[1]s", flag+": %[2]s", why.JA, why.EN)
}

// find returns the school of that name, one without an ID if there is none, and whether
// there is no other either.
func (f Founder) find(ctx context.Context, name string) (school roster.School, isFirst bool, err error) {
	if name == "" {
		return school, false, problem.New(problem.Invalid, "--school で、学校の名前を指定してください。", "Give --school the name of the school.")
	}
	all, err := f.schools().Schools(ctx)
	for _, s := range all {
		if s.Name == name {
			return s, false, err
		}
	}
	return school, len(all) == 0, err
}

func (f Founder) schools() *roster.Store {
	return &roster.Store{Table: f.Table, IDs: f.IDs, Now: f.Now}
}

// become returns what becomes of a school: with the address and the phone number that are
// asked for, and new if there was none.
func (f Founder) become(was, want roster.School) (roster.School, error) {
	if was.ID == "" {
		want.ID = f.IDs.New()
		return newSchool(want)
	}
	school := was
	var err error
	if strings.TrimSpace(want.Phone) != "" {
		if school.Phone, err = phone(want.Phone); err != nil {
			return school, err
		}
	}
	if want.Mail != "" {
		school.Mail, err = from(want.Mail)
	}
	return school, err
}

// newSchool checks what is needed of a new school.
func newSchool(s roster.School) (roster.School, error) {
	if s.Phone = strings.TrimSpace(s.Phone); s.Mail == "" || s.Phone == "" {
		return s, problem.New(problem.Invalid, "「%[1]s」という学校はありません。名前を確かめるか、新しく作るなら --from と --phone も指定してください。",
			"There is no school %[1]q. Check the name, or give --from and --phone to make it.", s.Name)
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return s, problem.New(problem.Invalid, "--zone の「%[1]s」という時間帯はありません。Asia/Tokyo のように指定してください。", "There is no time zone %[1]s. Give --zone one like Asia/Tokyo.", s.Zone)
	}
	var err error
	if s.Phone, err = phone(s.Phone); err != nil {
		return s, err
	}
	s.Mail, err = from(s.Mail)
	return s, err
}

// phone returns the number as guardians' telephones dial it.
func phone(typed string) (string, error) {
	number, ok := roster.PhoneNumber(typed)
	if !ok {
		return "", problem.New(problem.Invalid, "--phone の「%[1]s」は電話番号として読めません。03-0000-0000 のように、市外局番から指定してください。",
			"--phone: %[1]q is no phone number. Give it whole, such as 03-0000-0000.", typed)
	}
	return number, nil
}

// from returns the address as it is written into mail.
func from(typed string) (string, error) {
	a, err := address.Parse(typed)
	if err != nil {
		return "", about("--from", err)
	}
	return a.Mailbox(), nil
}

// record writes what the operator is about to do into the school's audit log.
func (f Founder) record(ctx context.Context, e audit.Entry) error {
	e.Name = "運用者"
	_, err := (&audit.Log{Table: f.Table, Now: f.Now}).Add(ctx, e)
	return err
}

// keep writes a school if it is new or changed.
func (f Founder) keep(ctx context.Context, was, school roster.School, isFirst bool) error {
	if school == was {
		return nil
	}
	if isFirst {
		if err := format.New(ctx, f.Table); err != nil {
			return err
		}
	}
	if err := f.record(ctx, audit.Entry{School: school.ID, Kind: audit.Settings, Said: "連絡の送信元: " + school.Mail + "、電話番号: " + school.Phone}); err != nil {
		return err
	}
	return f.schools().PutSchool(ctx, school)
}

// whom returns whoever of that address has the role, and somebody without an ID if nobody
// is there.
func whom(ctx context.Context, people *staff.Store, school roster.School, want staff.Staff) (staff.Staff, error) {
	want.School = school.ID
	switch {
	case want.Role != staff.District:
		want.Role = staff.Manager
	case school.District == "":
		return want, problem.New(problem.Invalid, "この学校には地区がありません。学校を作るときに --district を指定するか、地区のある学校を指定してください。",
			"The school belongs to no district. Give --district when you make it, or name a school of the district.")
	default:
		want.District = school.District
	}
	to, err := address.Parse(want.Mail)
	if err != nil {
		return want, about("--manager-mail", err)
	}
	all, err := people.OfSchool(ctx, want.School)
	if err != nil {
		return want, err
	}
	for _, p := range all {
		if strings.EqualFold(p.Mail, to.String()) {
			return onlyOf(p, want)
		}
	}
	if want.Name == "" {
		return want, problem.New(problem.NotFound, "この学校に、アドレスが %[1]s の人はいません。アドレスを確かめるか、新しく加えるなら --manager も指定してください。",
			"Nobody at the school has the address %[1]s. Check it, or give --manager to make somebody.", to)
	}
	return newPerson(want)
}

// newPerson checks what is needed of a new person.
func newPerson(m staff.Staff) (staff.Staff, error) {
	if err := staff.CheckName(m.Name); err != nil {
		return m, about("--manager", err)
	}
	to, err := address.Parse(m.Mail)
	if err != nil {
		return m, about("--manager-mail", err)
	}
	m.Mail = to.String() // as people look for it
	return m, nil
}

// onlyOf refuses people of another role: a role is changed in the pages, where it is
// recorded, and not by the way.
func onlyOf(p, want staff.Staff) (staff.Staff, error) {
	if p.Role != want.Role || p.District != want.District {
		return p, problem.New(problem.Conflict, "このアドレスの人の役割は、指定と違います。管理者が「教職員」の画面でリンクを作れます。",
			"The person with this address has another role. A manager makes links for others on the page of people.")
	}
	return p, nil
}
