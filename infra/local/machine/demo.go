package machine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// SignInLife is how long the one-time link for the first manager works.
const SignInLife = 24 * time.Hour

// errNoManager says that a school was made and nobody who can sign in to it.
var errNoManager = problem.New(problem.Invalid, "学校はありますが、管理者がいません。--manager と --manager-mail で指定してください。",
	"There is a school, but no manager. Say who it is with --manager and --manager-mail.")

// Found makes a school with its first manager, if there is none yet, and returns
// the first manager of the first school. Both are checked before anything is written.
func (m *Machine) Found(ctx context.Context, s roster.School, manager staff.Staff) (staff.Staff, error) {
	schools, err := m.Roster.Schools(ctx)
	if err != nil {
		return staff.Staff{}, err
	}
	if len(schools) == 0 {
		if s, manager, err = found.New(s, manager); err != nil {
			return manager, err
		}
		if err := m.Roster.PutSchool(ctx, s); err != nil {
			return staff.Staff{}, err
		}
		schools = []roster.School{s}
	}
	people, err := m.Staff.OfSchool(ctx, schools[0].ID)
	if err != nil {
		return staff.Staff{}, err
	}
	for _, p := range people {
		if p.Role == staff.Manager {
			return p, nil
		}
	}
	if manager.Name == "" || manager.Mail == "" {
		return manager, errNoManager
	}
	if manager, err = found.NewManager(manager); err != nil {
		return manager, err
	}
	manager.School = schools[0].ID
	return m.Staff.PutStaff(ctx, manager)
}

// demoSeed makes the demo school the same everywhere.
const demoSeed = 1

// FoundDemo makes the demo school with its roster, if it is not there yet.
func (m *Machine) FoundDemo(ctx context.Context) (staff.Staff, error) {
	sheet, school := roster.Demo(demoSeed)
	manager, err := m.Found(ctx, school, staff.Staff{Name: "教頭 見本 花子", Mail: "todoku-demo-kyoto@" + domainOf(school.Mail)})
	if err != nil {
		return manager, err
	}
	groups, err := m.Roster.Groups(ctx, manager.School)
	if err != nil || len(groups) > 0 {
		return manager, err
	}
	return manager, m.importSheet(ctx, manager.School, sheet)
}

// OnlyDemo reports whether there is no school but the demo school.
func (m *Machine) OnlyDemo(ctx context.Context) (bool, error) {
	_, demo := roster.Demo(demoSeed)
	schools, err := m.Roster.Schools(ctx)
	return !slices.ContainsFunc(schools, func(s roster.School) bool { return s.ID != demo.ID }), err
}

func (m *Machine) importSheet(ctx context.Context, school string, csv []byte) error {
	sheet, err := roster.ReadSheet(bytes.NewReader(csv), roster.MaxSheetBytes)
	if err != nil {
		return err
	}
	plan, err := roster.NewPlan(ctx, m.Roster, school, sheet, nil)
	if err != nil {
		return err
	}
	if err := plan.Commit(ctx, nil); err != nil {
		return fmt.Errorf("the demo roster: %w", err)
	}
	return nil
}

func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// SignInLink makes a one-time link with which a staff member signs in.
func (m *Machine) SignInLink(ctx context.Context, who staff.Staff) (string, error) {
	token, err := m.Staff.NewLink(ctx, who.ID, SignInLife)
	if err != nil {
		return "", err
	}
	return m.cfg.BaseURL + "/sign-in/" + token, nil
}

// demoToken is what the API token of the demo is called.
const demoToken = "demo"

// DemoToken makes an API token with a staff member's rights. That of an earlier
// start ends.
func (m *Machine) DemoToken(ctx context.Context, who staff.Staff) (string, error) {
	tokens, err := m.Staff.Tokens(ctx, who.ID)
	if err != nil {
		return "", err
	}
	for _, t := range tokens {
		if t.Name != demoToken {
			continue
		}
		if err := m.Staff.Revoke(ctx, who.ID, t.ID); err != nil {
			return "", err
		}
	}
	_, secret, err := m.Staff.NewToken(ctx, who.ID, demoToken, 0)
	return secret, err
}
