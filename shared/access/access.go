// Package access decides who may do what. It does so in one place, by one
// function (May) and one table (rules); nothing else in Todoku compares roles.
//
// A person's role says how far each action reaches: to what is their own, to their
// own groups, to their school, or to every school of their district. A target
// says what an action is done to. What lies further away than the role reaches is
// refused, and so is every action that stands in no table.
package access

import (
	"slices"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
)

// Action is something that a page or an API call does.
type Action string

// The actions. Each page and API call names exactly one.
const (
	Public   Action = "public"   // what nobody needs to sign in for
	Own      Action = "own"      // one's own sessions, keys and settings
	Frame    Action = "frame"    // names of the school, its groups and its templates: nobody's data
	SeeAlert Action = "see"      // an alert and its numbers
	Overview Action = "overview" // the numbers of several schools beside each other
	Children Action = "children" // children by name, their answers, and whom to phone
	Phone    Action = "phone"    // record what was said on the phone
	Export   Action = "export"   // children of an alert as a file
	Send     Action = "send"     // an alert, and a test of it to oneself
	End      Action = "end"      // undo or close an alert, update its page
	// BreakGlass sends to the whole school where Send does not reach that far.
	BreakGlass Action = "break-glass"
	Approve    Action = "approve"   // be the second person of somebody's break-glass
	Roster     Action = "roster"    // read, import and export the roster
	Reach      Action = "reach"     // how well guardians are reached: contacts, slips, invitations, forecasts
	People     Action = "people"    // who works here, their roles, groups and invitations
	Audit      Action = "audit"     // read and export who did what
	Tokens     Action = "tokens"    // API tokens
	Templates  Action = "templates" // what the big buttons of a new alert say
	Settings   Action = "settings"  // of the school
	Lost       Action = "lost"      // at which contacts mail did not arrive
	Operate    Action = "operate"   // whether the system works, and what keeps it from that
)

// reach is how far an action goes, each including those before.
type reach int

const (
	nowhere reach = iota
	ownThings
	ownGroups
	ownSchool
	ownDistrict
	elsewhere // further than any role reaches
)

// rule is one action's row of the table.
type rule struct {
	teacher, manager, district, viewer reach
	// some: to have a part in the target is enough. Who teaches one of an alert's
	// classes may see the alert; only who teaches all of them may send it.
	some bool
}

// rules is the table.
//
//	teachers: their own groups; managers: the school; viewers: look and phone at the
//	call desk; district: look at, phone for and send to the schools of the district.
var rules = map[Action]rule{
	Own:        {teacher: ownThings, manager: ownThings, district: ownThings, viewer: ownThings},
	Frame:      {teacher: ownSchool, manager: ownSchool, district: ownDistrict, viewer: ownSchool},
	SeeAlert:   {teacher: ownGroups, manager: ownSchool, district: ownDistrict, viewer: ownSchool, some: true},
	Overview:   {district: ownDistrict},
	Children:   {teacher: ownGroups, manager: ownSchool, district: ownDistrict, viewer: ownSchool, some: true},
	Phone:      {teacher: ownGroups, manager: ownSchool, district: ownDistrict, viewer: ownSchool, some: true},
	Export:     {teacher: nowhere, manager: ownSchool, district: ownDistrict, viewer: nowhere},
	Send:       {teacher: ownGroups, manager: ownSchool, district: ownDistrict, viewer: nowhere},
	End:        {teacher: ownGroups, manager: ownSchool, district: ownDistrict, viewer: nowhere},
	BreakGlass: {teacher: ownSchool, manager: ownSchool, district: nowhere, viewer: nowhere},
	Approve:    {teacher: ownSchool, manager: ownSchool, district: ownDistrict, viewer: nowhere},
	Roster:     {manager: ownSchool},
	Reach:      {manager: ownSchool},
	People:     {manager: ownSchool},
	Audit:      {manager: ownSchool, district: ownDistrict},
	Tokens:     {manager: ownSchool, district: ownThings},
	Templates:  {manager: ownSchool},
	Settings:   {manager: ownSchool},
	Lost:       {teacher: ownGroups, manager: ownSchool, some: true},
	Operate:    {manager: ownSchool},
}

func (r rule) of(role staff.Role) reach {
	switch role {
	case staff.Teacher:
		return r.teacher
	case staff.Manager:
		return r.manager
	case staff.District:
		return r.district
	case staff.Viewer:
		return r.viewer
	}
	return nowhere
}

// Target is what an action is done to. The zero Target is nobody's: only Public
// may be done to it.
type Target struct {
	School   string
	District string   // of the school; "": none, or it does not matter
	Groups   []string // with grades as their classes; none: the whole school
	Staff    string   // whose own thing it is: a session, a key, an alert that they sent
}

// May reports whether somebody may do something to a target. who is the zero Staff
// if nobody is signed in.
func May(who staff.Staff, do Action, to Target) bool {
	if do == Public {
		return true
	}
	r, known := rules[do]
	return known && within(who, do) && !who.Disabled && who.ID != "" && distance(who, to, r.some) <= r.of(who.Role)
}

// MayAnywhere reports whether there is any target to which somebody may do
// something: whether to offer it, before it is known to what it will be done.
func MayAnywhere(who staff.Staff, do Action) bool {
	if do == Public {
		return true
	}
	return within(who, do) && !who.Disabled && who.ID != "" && rules[do].of(who.Role) > nowhere
}

// within reports whether an action is among those to which somebody's API token is
// limited, if it is.
func within(who staff.Staff, do Action) bool {
	return len(who.Only) == 0 || slices.Contains(who.Only, string(do))
}

// distance is how far a target is from somebody.
func distance(who staff.Staff, to Target, some bool) reach {
	switch {
	case to.School != who.School:
		if to.School != "" && to.District != "" && to.District == who.District {
			return ownDistrict
		}
		return elsewhere
	case to.School == "":
		return elsewhere
	case to.Staff == who.ID:
		return ownThings
	case inGroups(who.Groups, to.Groups, some):
		return ownGroups
	}
	return ownSchool
}

// inGroups reports whether groups are all, or some, among mine. The whole school
// is in nobody's groups, and in part in everybody's.
func inGroups(mine, groups []string, some bool) bool {
	if some {
		return len(mine) > 0 && len(groups) == 0 || slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(mine, g) })
	}
	return len(groups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return !slices.Contains(mine, g) })
}

// errRole says that it is not a question of which groups.
var errRole = problem.New(problem.Forbidden,
	"この操作は、学校の管理者だけができます。管理者に依頼してください。",
	"Only a manager of the school can do this. Please ask one.")

// errDistrict is errRole of what is not a school's.
var errDistrict = problem.New(problem.Forbidden,
	"この操作は、教育委員会の担当者だけができます。",
	"Only somebody who looks after the district's schools can do this.")

// errGroups says that it is.
var errGroups = problem.New(problem.Forbidden,
	"担当していないクラス・グループが含まれているため、この操作はできません。担当するクラス・グループだけを選ぶか、管理者に依頼してください。",
	"This concerns groups that are not yours. Choose only your own groups, or ask a manager.").In("groups")

// errScope says that it is a question of what the API token is for.
var errScope = problem.New(problem.Forbidden,
	"このAPIトークンには、この操作が許可されていません。管理者に、この操作を許可したトークンの発行を依頼してください。",
	"This API token is not for this. Ask a manager for one that is.")

// Check fails with a problem.Forbidden that says what to do unless May.
func Check(who staff.Staff, do Action, to Target) error {
	switch {
	case May(who, do, to):
		return nil
	case !within(who, do):
		return errScope
	case MayAnywhere(who, do) && rules[do].of(who.Role) == ownGroups:
		return errGroups
	}
	return noRole(do)
}

// noRole says whose an action is that is not the asking person's.
func noRole(do Action) error {
	if rules[do].of(staff.Manager) == nowhere && rules[do].of(staff.District) > nowhere {
		return errDistrict
	}
	return errRole
}

// CheckAnywhere fails with a problem.Forbidden unless MayAnywhere.
func CheckAnywhere(who staff.Staff, do Action) error {
	switch {
	case MayAnywhere(who, do):
		return nil
	case !within(who, do):
		return errScope
	}
	return noRole(do)
}

// Known reports whether an action is one: Public, or in the table.
func Known(do Action) bool {
	_, ok := rules[do]
	return ok || do == Public
}
