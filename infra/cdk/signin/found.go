package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// linkLife is how long the link works: who makes it is often not who uses it.
const linkLife = 24 * time.Hour

// request says who wants to sign in where.
type request struct {
	url     string
	school  roster.School // by its name
	manager staff.Staff   // by the mail address
}

// founder makes links, and what they need.
type founder struct {
	table  table.Table
	ids    *id.Source
	now    func() time.Time
	random io.Reader
}

// link returns the address of a one-time link.
func (f founder) link(ctx context.Context, r request) (string, error) {
	if !strings.HasPrefix(r.url, "https://") {
		return "", fmt.Errorf("-url %q is not an https address: give the stack's output Web", r.url)
	}
	school, err := f.school(ctx, r.school)
	if err != nil {
		return "", err
	}
	people := &staff.Store{Table: f.table, IDs: f.ids, Now: f.now, Random: f.random}
	r.manager.School = school.ID
	manager, err := f.manager(ctx, people, r.manager)
	if err != nil {
		return "", err
	}
	token, err := people.NewLink(ctx, manager.ID, linkLife)
	return strings.TrimSuffix(r.url, "/") + "/sign-in/" + token, err
}

// school returns the school of that name, and makes it if there is none.
func (f founder) school(ctx context.Context, want roster.School) (roster.School, error) {
	if want.Name == "" {
		return want, fmt.Errorf("-school is missing: give the name of the school")
	}
	schools := &roster.Store{Table: f.table, IDs: f.ids, Now: f.now}
	all, err := schools.Schools(ctx)
	if err != nil {
		return want, err
	}
	for _, s := range all {
		if s.Name == want.Name {
			return s, nil
		}
	}
	if err := checkNew(want); err != nil {
		return want, err
	}
	want.ID = f.ids.New()
	return want, schools.PutSchool(ctx, want)
}

// checkNew checks what is needed of a new school.
func checkNew(s roster.School) error {
	if s.Mail == "" || s.Phone == "" {
		return fmt.Errorf("there is no school %q. Check the name, or give -from and -phone to make it", s.Name)
	}
	if _, err := address.Parse(s.Mail); err != nil {
		return err
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return fmt.Errorf("-zone %s: %w", s.Zone, err)
	}
	return nil
}

// manager returns the manager of that address, and makes one if there is none.
func (f founder) manager(ctx context.Context, people *staff.Store, want staff.Staff) (staff.Staff, error) {
	if _, err := address.Parse(want.Mail); err != nil {
		return want, fmt.Errorf("-manager-mail: %w", err)
	}
	all, err := people.OfSchool(ctx, want.School)
	if err != nil {
		return want, err
	}
	for _, p := range all {
		if strings.EqualFold(p.Mail, want.Mail) {
			return onlyManager(p)
		}
	}
	if want.Name == "" {
		return want, fmt.Errorf("nobody at the school has the address %s. Check it, or give -manager to make a manager", want.Mail)
	}
	want.Role = staff.Manager
	return people.PutStaff(ctx, want)
}

// onlyManager refuses people who are not managers: a role is changed in the pages,
// where it is recorded, and not by the way.
func onlyManager(p staff.Staff) (staff.Staff, error) {
	if p.Role == staff.Teacher {
		return p, fmt.Errorf("the person with this address is a %s: a manager makes links for teachers", p.Role)
	}
	return p, nil
}
