// Package found makes one-time sign-in links for those who have nobody to invite them:
// the first manager of a school, and whoever looks after a district's schools. If the
// school or the person is not there yet, it makes them.
//
// It writes to the table as the operator: on one machine through the running program,
// on AWS with the operator's own rights.
package found

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// linkLife is how long the link works: who makes it is often not who uses it.
const linkLife = 24 * time.Hour

// Request says who wants to sign in where.
type Request struct {
	URL    string        `json:"url"`    // of the pages
	School roster.School `json:"school"` // by its name; the rest is of a new one
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

// Link returns the address of a one-time link.
func (f Founder) Link(ctx context.Context, r Request) (string, error) {
	school, err := f.school(ctx, r.School)
	if err != nil {
		return "", err
	}
	people := &staff.Store{Table: f.Table, IDs: f.IDs, Now: f.Now, Random: f.Random}
	r.Person.School = school.ID
	if r.Person.Role == staff.District {
		r.Person.District = school.District
	}
	person, err := f.person(ctx, people, r.Person)
	if err != nil {
		return "", err
	}
	token, err := people.NewLink(ctx, person.ID, linkLife)
	return strings.TrimSuffix(r.URL, "/") + "/sign-in/" + token, err
}

// school returns the school of that name, and makes it if there is none.
func (f Founder) school(ctx context.Context, want roster.School) (roster.School, error) {
	if want.Name == "" {
		return want, fmt.Errorf("-school is missing: give the name of the school")
	}
	schools := &roster.Store{Table: f.Table, IDs: f.IDs, Now: f.Now}
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
	if len(all) == 0 {
		if err := format.New(ctx, f.Table); err != nil {
			return want, err
		}
	}
	want.ID = f.IDs.New()
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

// person returns whoever of that address has the role, and makes somebody if nobody is
// there.
func (f Founder) person(ctx context.Context, people *staff.Store, want staff.Staff) (staff.Staff, error) {
	if want.Role != staff.District {
		want.Role = staff.Manager
	} else if want.District == "" {
		return want, errors.New("the school belongs to no district: give -district when you make it, or ask for the link at a school of the district")
	}
	if _, err := address.Parse(want.Mail); err != nil {
		return want, fmt.Errorf("-manager-mail: %w", err)
	}
	all, err := people.OfSchool(ctx, want.School)
	if err != nil {
		return want, err
	}
	for _, p := range all {
		if strings.EqualFold(p.Mail, want.Mail) {
			return onlyOf(p, want)
		}
	}
	if want.Name == "" {
		return want, fmt.Errorf("nobody at the school has the address %s. Check it, or give -manager to make somebody", want.Mail)
	}
	return people.PutStaff(ctx, want)
}

// onlyOf refuses people of another role: a role is changed in the pages, where it is
// recorded, and not by the way.
func onlyOf(p, want staff.Staff) (staff.Staff, error) {
	if p.Role != want.Role || p.District != want.District {
		return p, fmt.Errorf("the person with this address is a %s: a manager makes links for others on the page of people", p.Role)
	}
	return p, nil
}
