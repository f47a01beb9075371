package main

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table/bbolt"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newFounder(t *testing.T) founder {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC) }
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "todoku.db"))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	tab, err := bbolt.New(db, now)
	must(t, err)
	return founder{table: tab, ids: id.NewSource(now, rand.Reader), now: now, random: rand.Reader}
}

func (f founder) people() *staff.Store {
	return &staff.Store{Table: f.table, IDs: f.ids, Now: f.now, Random: f.random}
}

// first is the request that begins a deployment.
func first() request {
	return request{
		url:     "https://anzen.example.jp",
		school:  roster.School{Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000", Zone: "Asia/Tokyo"},
		manager: staff.Staff{Name: "教頭 見本", Mail: "kyoto@school.example.jp"},
	}
}

// signIn follows a link and returns who is signed in.
func (f founder) signIn(t *testing.T, link string) staff.Staff {
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
	link, err := f.link(t.Context(), first())
	must(t, err)
	manager := f.signIn(t, link)
	if manager.Name != "教頭 見本" || manager.Role != staff.Manager {
		t.Errorf("signed in is %s, %s", manager.Name, manager.Role)
	}

	again := first()
	again.school = roster.School{Name: "見本小学校"}
	again.manager = staff.Staff{Mail: "Kyoto@school.example.jp"}
	link, err = f.link(t.Context(), again)
	must(t, err)
	if d := cmp.Diff(manager, f.signIn(t, link)); d != "" {
		t.Errorf("the second link signs somebody else in: %s", d)
	}

	second := first()
	second.school.Name = "見本中学校"
	link, err = f.link(t.Context(), second)
	must(t, err)
	if who := f.signIn(t, link); who.School == manager.School {
		t.Error("the second school is the first")
	}
}

func TestLinkRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *request)
	}{
		{"no url", func(r *request) { r.url = "" }},
		{"no https", func(r *request) { r.url = "http://anzen.example.jp" }},
		{"no school", func(r *request) { r.school = roster.School{} }},
		{"unknown school", func(r *request) { r.school = roster.School{Name: "別の学校"} }},
		{"no address", func(r *request) { r.school.Mail = "anzen" }},
		{"no such zone", func(r *request) { r.school.Zone = "Asia/Todoku" }},
		{"no manager's address", func(r *request) { r.manager.Mail = "" }},
		{"unknown manager", func(r *request) { r.manager.Name = "" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := first()
			tt.change(&r)
			if link, err := newFounder(t).link(t.Context(), r); err == nil {
				t.Errorf("made %s", link)
			}
		})
	}
}

func TestNoLinkForTeachers(t *testing.T) {
	f := newFounder(t)
	link, err := f.link(t.Context(), first())
	must(t, err)
	teacher := staff.Staff{School: f.signIn(t, link).School, Name: "担任", Mail: "tannin@school.example.jp", Role: staff.Teacher}
	_, err = f.people().PutStaff(t.Context(), teacher)
	must(t, err)
	r := first()
	r.manager.Mail = teacher.Mail
	if link, err := f.link(t.Context(), r); err == nil {
		t.Errorf("made %s", link)
	}
}

func TestParse(t *testing.T) {
	for name, args := range map[string][]string{
		"no table":      {"-url", "https://anzen.example.jp"},
		"one too many":  {"-table", "t", "school"},
		"unknown flag":  {"-tabel", "t"},
		"nothing given": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var table string
			if _, err := parse(args, &table, t.Output()); err == nil {
				t.Error("no error")
			}
		})
	}
	var table string
	r, err := parse([]string{"-table", "t", "-school", "見本小学校"}, &table, t.Output())
	if err != nil || table != "t" || r.school.Name != "見本小学校" || r.school.Zone != "Asia/Tokyo" {
		t.Errorf("parsed %q, %+v, %v", table, r, err)
	}
}
