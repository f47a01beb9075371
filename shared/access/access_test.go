package access

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
)

// targets are all the kinds of target that there are for somebody of school s1 in
// district d1 with the groups a and b. The last letters of the table below are in
// this order.
var targets = []struct {
	name string
	to   Target
}{
	{"own thing", Target{School: "s1", Staff: "me"}},
	{"own groups", Target{School: "s1", Groups: []string{"a", "b"}}},
	{"own and another group", Target{School: "s1", Groups: []string{"a", "z"}}},
	{"another group", Target{School: "s1", Groups: []string{"z"}}},
	{"the school", Target{School: "s1", District: "d1"}},
	{"another school of the district", Target{School: "s2", District: "d1"}},
	{"another school's group of the same id", Target{School: "s3", District: "d2", Groups: []string{"a"}}},
	{"another district's school", Target{School: "s3", District: "d2"}},
	{"a school without district", Target{School: "s4"}},
	{"nobody's", Target{}},
}

// wanted is the whole decision, written out: a letter for each target, + for yes.
// It is written by hand from what the roles are for, not made from the rules.
var wanted = map[Action]map[staff.Role]string{
	Own: {
		staff.Teacher: "+---------", staff.Manager: "+---------", staff.District: "+---------", staff.Viewer: "+---------",
	},
	Frame: {
		staff.Teacher: "+++++-----", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "+++++-----",
	},
	SeeAlert: {
		staff.Teacher: "+++-+-----", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "+++++-----",
	},
	Overview: {
		staff.Teacher: "----------", staff.Manager: "----------", staff.District: "++++++----", staff.Viewer: "----------",
	},
	Children: {
		staff.Teacher: "+++-+-----", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "+++++-----",
	},
	Phone: {
		staff.Teacher: "+++-+-----", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "+++++-----",
	},
	Export: {
		staff.Teacher: "----------", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "----------",
	},
	Send: {
		staff.Teacher: "++--------", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "----------",
	},
	End: {
		staff.Teacher: "++--------", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "----------",
	},
	BreakGlass: {
		staff.Teacher: "+++++-----", staff.Manager: "+++++-----", staff.District: "----------", staff.Viewer: "----------",
	},
	Approve: {
		staff.Teacher: "+++++-----", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "----------",
	},
	Roster: onlyManagers,
	Reach:  onlyManagers,
	People: onlyManagers,
	Tokens: {
		staff.Teacher: "----------", staff.Manager: "+++++-----", staff.District: "+---------", staff.Viewer: "----------",
	},
	Templates: onlyManagers,
	Settings:  onlyManagers,
	Operate:   onlyManagers,
	Lost: {
		staff.Teacher: "+++-+-----", staff.Manager: "+++++-----", staff.District: "----------", staff.Viewer: "----------",
	},
	Audit: {
		staff.Teacher: "----------", staff.Manager: "+++++-----", staff.District: "++++++----", staff.Viewer: "----------",
	},
}

var onlyManagers = map[staff.Role]string{
	staff.Teacher: "----------", staff.Manager: "+++++-----", staff.District: "----------", staff.Viewer: "----------",
}

var roles = []staff.Role{staff.Teacher, staff.Manager, staff.District, staff.Viewer}

func person(role staff.Role) staff.Staff {
	return staff.Staff{ID: "me", School: "s1", District: "d1", Groups: []string{"a", "b"}, Role: role}
}

// TestTable asks for every role, action and target.
func TestTable(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(rules)), slices.Sorted(maps.Keys(wanted)); !slices.Equal(got, want) {
		t.Fatalf("the actions are %v, and the test knows %v", got, want)
	}
	asked := 0
	for do, byRole := range wanted {
		for _, role := range roles {
			row := byRole[role]
			if len(row) != len(targets) {
				t.Fatalf("%s by a %s: %d letters for %d targets", do, role, len(row), len(targets))
			}
			for i, target := range targets {
				want := row[i] == '+'
				if got := May(person(role), do, target.to); got != want {
					t.Errorf("%s by a %s to %s: %v, want %v", do, role, target.name, got, want)
				}
				asked++
			}
			if got, want := MayAnywhere(person(role), do), strings.Contains(row, "+"); got != want {
				t.Errorf("%s by a %s anywhere: %v, want %v", do, role, got, want)
			}
		}
	}
	if want := len(rules) * len(roles) * len(targets); asked != want {
		t.Errorf("%d questions asked, there are %d", asked, want)
	}
}

// TestNobody asks for those who may nothing, whatever the action and target.
func TestNobody(t *testing.T) {
	disabled := person(staff.Manager)
	disabled.Disabled = true
	unknown := person("headmaster")
	nobody := map[string]staff.Staff{
		"nobody": {}, "disabled": disabled, "of an unknown role": unknown, "without a school": {ID: "me", Role: staff.Manager},
	}
	for name, who := range nobody {
		for do := range rules {
			for _, target := range targets {
				if May(who, do, target.to) {
					t.Errorf("%s may %s to %s", name, do, target.name)
				}
			}
			if MayAnywhere(who, do) && name != "without a school" {
				t.Errorf("%s may %s somewhere", name, do)
			}
		}
		if !May(who, Public, Target{}) {
			t.Errorf("%s may not see what is public", name)
		}
	}
	if May(person(staff.Manager), "fly", targets[0].to) || MayAnywhere(person(staff.Manager), "fly") || Known("fly") {
		t.Error("a manager may do what is no action")
	}
}

func TestTeacherWithoutGroups(t *testing.T) {
	who := person(staff.Teacher)
	who.Groups = nil
	for _, to := range []Target{{School: "s1"}, {School: "s1", Groups: []string{"a"}}} {
		if May(who, SeeAlert, to) || May(who, Send, to) {
			t.Errorf("may see or send to %v", to)
		}
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name string
		role staff.Role
		do   Action
		want string
	}{
		{"a teacher of other groups", staff.Teacher, Send, "担当するクラス"},
		{"a teacher at the roster", staff.Teacher, Roster, "管理者"},
		{"a viewer", staff.Viewer, Send, "管理者"},
		{"a manager at the district", staff.Manager, Overview, "教育委員会"},
	} {
		err := Check(person(tt.role), tt.do, Target{School: "s1"})
		if !problem.Is(err, problem.Forbidden) || !strings.Contains(problem.Of(err)[0].Text.JA, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := Check(person(staff.Manager), Send, Target{School: "s1"}); err != nil {
		t.Error(err)
	}
}

// TestScope: a token may do what it is for, as far as the person may, and nothing else.
func TestScope(t *testing.T) {
	for _, role := range roles {
		who := person(role)
		who.Only = []string{string(SeeAlert), string(Send)}
		for do := range rules {
			for _, target := range targets {
				want := May(person(role), do, target.to) && (do == SeeAlert || do == Send)
				if got := May(who, do, target.to); got != want {
					t.Errorf("%s by a %s's token to %s: %v, want %v", do, role, target.name, got, want)
				}
			}
			if !slices.Contains(who.Only, string(do)) {
				for _, err := range []error{CheckAnywhere(who, do), Check(who, do, targets[0].to)} {
					if !problem.Is(err, problem.Forbidden) || !strings.Contains(problem.Of(err)[0].Text.EN, "token") {
						t.Errorf("%s by a %s's token: %v", do, role, err)
					}
				}
			}
		}
	}
}
