package found

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newFounder(t *testing.T) Founder {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC) }
	tab := bbolttest.Open(t, now)
	return Founder{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now, Random: rand.Reader}
}

func (f Founder) people() *staff.Store {
	return &staff.Store{Table: f.Table, IDs: f.IDs, Now: f.Now, Random: f.Random}
}

// first is the request that begins a deployment.
func first() Request {
	return Request{
		URL:    "https://anzen.example.jp",
		School: roster.School{Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000", Zone: "Asia/Tokyo"},
		Person: staff.Staff{Name: "教頭 見本", Mail: "kyoto@school.example.jp"},
	}
}

// signIn follows a link and returns who is signed in.
func (f Founder) signIn(t *testing.T, link string) staff.Staff {
	t.Helper()
	token, ok := strings.CutPrefix(link, "https://anzen.example.jp/sign-in/")
	if !ok {
		t.Fatalf("the link is %s", link)
	}
	_, who, err := f.people().SignIn(context.Background(), token, "")
	must(t, err)
	who.Via = "" // the session's, which is another each time
	return who
}

// TestLink begins a deployment, asks for a second link, and adds a school.
func TestLink(t *testing.T) {
	f := newFounder(t)
	link, err := f.Link(t.Context(), first())
	must(t, err)
	manager := f.signIn(t, link)
	if manager.Name != "教頭 見本" || manager.Role != staff.Manager {
		t.Errorf("signed in is %s, %s", manager.Name, manager.Role)
	}

	again := first()
	again.School = roster.School{Name: "見本小学校"}
	again.Person = staff.Staff{Mail: "Kyoto@school.example.jp"}
	link, err = f.Link(t.Context(), again)
	must(t, err)
	if d := cmp.Diff(manager, f.signIn(t, link)); d != "" {
		t.Errorf("the second link signs somebody else in: %s", d)
	}

	second := first()
	second.School.Name = "見本中学校"
	link, err = f.Link(t.Context(), second)
	must(t, err)
	if who := f.signIn(t, link); who.School == manager.School {
		t.Error("the second school is the first")
	}
}

func TestLinkRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *Request)
	}{
		{"a district where there is none", func(r *Request) { r.Person.Role = staff.District }},
		{"no school", func(r *Request) { r.School = roster.School{} }},
		{"unknown school", func(r *Request) { r.School = roster.School{Name: "別の学校"} }},
		{"no address", func(r *Request) { r.School.Mail = "anzen" }},
		{"no such zone", func(r *Request) { r.School.Zone = "Asia/Todoku" }},
		{"no manager's address", func(r *Request) { r.Person.Mail = "" }},
		{"unknown manager", func(r *Request) { r.Person.Name = "" }},
		{"a manager's name too long", func(r *Request) { r.Person.Name = strings.Repeat("山", staff.MaxName+1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, f := first(), newFounder(t)
			tt.change(&r)
			if link, err := f.Link(t.Context(), r); !problem.Is(err, problem.Invalid) && !problem.Is(err, problem.NotFound) {
				t.Errorf("made %s, %v", link, err)
			}
			schools, err := f.schools().Schools(t.Context())
			must(t, err)
			if len(schools) > 0 {
				t.Errorf("a school was made all the same: %+v", schools)
			}
		})
	}
}

// TestPasted founds with addresses as they are pasted: they are stored as they are sent to
// and looked for.
func TestPasted(t *testing.T) {
	r := first()
	r.School.Mail, r.Person.Mail = "見本小<anzen@学校.example.jp>", "　花子<Kyoto@school.example.jp>"
	f := newFounder(t)
	link, err := f.Link(t.Context(), r)
	must(t, err)
	who := f.signIn(t, link)
	school, err := f.schools().School(t.Context(), who.School)
	must(t, err)
	if school.Mail != "anzen@xn--48s290a.example.jp" || who.Mail != "Kyoto@school.example.jp" {
		t.Errorf("stored are %q and %q", school.Mail, who.Mail)
	}
}

// TestCorrect gives a school's address and phone anew; what is not given stays, and what is
// done is recorded.
func TestCorrect(t *testing.T) {
	f := newFounder(t)
	link, err := f.Link(t.Context(), first())
	must(t, err)
	who := f.signIn(t, link)
	school, err := f.schools().School(t.Context(), who.School)
	must(t, err)
	school.BreakGlass = roster.GlassOff
	must(t, f.schools().PutSchool(t.Context(), school))

	for _, r := range []roster.School{{Mail: "学校<anzen@mihon.example.jp>"}, {Phone: " ０３－１１１１－１１１１ "}, {Mail: "anzen@mihon.example.jp", Phone: "03-1111-1111"}, {}} {
		r.Name = school.Name
		_, err = f.Link(t.Context(), Request{School: r, Person: staff.Staff{Mail: who.Mail}})
		must(t, err)
	}
	for name, r := range map[string]Request{
		"no number":      {School: roster.School{Name: school.Name, Phone: "abc"}, Person: staff.Staff{Mail: who.Mail}},
		"no address":     {School: roster.School{Name: school.Name, Mail: "anzen"}, Person: staff.Staff{Mail: who.Mail}},
		"unknown person": {School: roster.School{Name: school.Name, Phone: "03-2222-2222"}, Person: staff.Staff{Mail: "x@school.example.jp"}},
	} {
		if _, err := f.Link(t.Context(), r); err == nil {
			t.Errorf("%s: done", name)
		}
	}
	school.Mail, school.Phone = "anzen@mihon.example.jp", "03-1111-1111"
	got, err := f.schools().School(t.Context(), who.School)
	must(t, err)
	if d := cmp.Diff(school, got); d != "" {
		t.Error(d)
	}
	entries, err := (&audit.Log{Table: f.Table, Now: f.Now}).Day(t.Context(), who.School, "2026-09-01")
	must(t, err)
	var said []string
	for _, e := range entries {
		said = append(said, strings.TrimRight(string(e.Kind)+" "+e.Name+" "+e.What+" "+e.Said, " "))
	}
	linked := "link 運用者 " + who.ID + " 教頭 見本"
	if d := cmp.Diff([]string{
		"settings 運用者  連絡の送信元: anzen@school.example.jp、電話番号: 03-0000-0000", "people 運用者  追加: 教頭 見本 / manager", linked,
		"settings 運用者  連絡の送信元: anzen@mihon.example.jp、電話番号: 03-0000-0000", linked,
		"settings 運用者  連絡の送信元: anzen@mihon.example.jp、電話番号: 03-1111-1111", linked, linked, linked,
	}, said); d != "" {
		t.Error(d)
	}
}

func TestNoLinkForTeachers(t *testing.T) {
	f := newFounder(t)
	link, err := f.Link(t.Context(), first())
	must(t, err)
	teacher := staff.Staff{School: f.signIn(t, link).School, Name: "担任", Mail: "tannin@school.example.jp", Role: staff.Teacher}
	_, err = f.people().PutStaff(t.Context(), teacher)
	must(t, err)
	r := first()
	r.Person.Mail = teacher.Mail
	if link, err := f.Link(t.Context(), r); err == nil {
		t.Errorf("made %s", link)
	}
}

// TestDistrict: whoever looks after the district belongs to that of the school.
func TestDistrict(t *testing.T) {
	f := newFounder(t)
	r := first()
	r.School.District, r.Person.Role = "見本市", staff.District
	link, err := f.Link(t.Context(), r)
	must(t, err)
	if who := f.signIn(t, link); who.Role != staff.District || who.District != "見本市" {
		t.Errorf("signed in is %+v", who)
	}
	r.Person.Role = staff.Manager
	if link, err := f.Link(t.Context(), r); err == nil {
		t.Errorf("a manager's link for somebody of the district: %s", link)
	}
}
