package roster

import (
	"cmp"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/problem"
)

// Validate returns what keeps a family from being stored: the limits above, names
// that are missing, guardians who are not in the family, an address twice. The
// error is a *problem.Error.
func (f Family) Validate() error {
	for _, check := range []func() *problem.Error{f.checkSize, f.checkGroups, f.checkChildren, f.checkGuardians} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (f Family) checkSize() *problem.Error {
	switch {
	case len(f.Children) == 0:
		return problem.New(problem.Invalid, "児童生徒が一人もいません。一人以上入れてください。", "There is no child. Please enter at least one.")
	case len(f.Children) > MaxFamilyChildren:
		return tooManyChildren(len(f.Children))
	case len(f.Guardians) > MaxFamilyGuardians:
		return problem.New(problem.Invalid, "一つの家庭に保護者が%d人います（上限%d人）。確かめてください。",
			"One family has %d guardians (at most %d). Please check.", len(f.Guardians), MaxFamilyGuardians)
	case f.contacts() > MaxFamilyContacts:
		return tooManyContacts(f.contacts())
	}
	return nil
}

func tooManyChildren(n int) *problem.Error {
	return problem.New(problem.Invalid, "同じ保護者またはアドレスに%d人の児童生徒がつながります（上限%d人）。学校や担当者のアドレスが入っていないか確かめてください。",
		"One guardian or address joins %d children (at most %d). Please check that it is not the school's own address.", n, MaxFamilyChildren)
}

func tooManyContacts(n int) *problem.Error {
	return problem.New(problem.Invalid, "一つの家庭にメールアドレスが%d件あります（上限%d件）。減らしてください。",
		"One family has %d addresses (at most %d). Please leave some out.", n, MaxFamilyContacts)
}

func (f Family) contacts() int {
	n := 0
	for _, g := range f.Guardians {
		n += len(g.Contacts)
	}
	return n
}

func (f Family) checkGroups() *problem.Error {
	all := map[string]bool{}
	for _, c := range f.Children {
		if len(c.groups()) > MaxGroupsPerChild {
			return problem.New(problem.Invalid, "「%s」のグループが%d件を超えています。減らしてください。",
				"“%s” is in more than %d groups. Please leave some out.", c.Name, MaxGroupsPerChild)
		}
		for _, g := range c.groups() {
			all[g] = true
			if !usable(g) {
				return problem.New(problem.Invalid, "「%s」の組がありません。組を選んでください。", "“%s” has no class. Please choose one.", c.Name)
			}
		}
	}
	if len(all) > MaxFamilyGroups {
		return problem.New(problem.Invalid, "一つの家庭の組とグループが合わせて%d件を超えています。減らしてください。",
			"One family's children are in more than %d classes and groups. Please leave some out.", MaxFamilyGroups)
	}
	return nil
}

// groups returns all groups of the child, its class first, each once.
func (c Child) groups() []string {
	gs := make([]string, 0, 1+len(c.Groups))
	seen := map[string]bool{}
	for _, g := range append([]string{c.Class}, c.Groups...) {
		if !seen[g] {
			gs = append(gs, g)
		}
		seen[g] = true
	}
	return gs
}

func (f Family) checkChildren() *problem.Error {
	numbers := map[string]bool{}
	for _, c := range f.Children {
		if err := checkName(c.Name, "児童生徒の氏名", "child's name"); err != nil {
			return err
		}
		if err := cmp.Or(checkLength(c.Kana, "ふりがな", "reading of the name"), checkNumber(c.Number)); err != nil {
			return err
		}
		if c.Number != "" && numbers[fold(c.Number)] {
			return problem.New(problem.Invalid, "学籍番号「%s」が二人にあります。直してください。", "Two children have the number “%s”. Please correct one.", c.Number)
		}
		numbers[fold(c.Number)] = true
		for _, g := range c.Guardians {
			if _, ok := f.Guardian(g); !ok {
				return problem.New(problem.Invalid, "「%s」の保護者が見つかりません。選び直してください。", "A guardian of “%s” is not there. Please choose again.", c.Name)
			}
		}
	}
	return nil
}

func (f Family) checkGuardians() *problem.Error {
	seen := map[string]bool{}
	for _, g := range f.Guardians {
		err := cmp.Or(checkLength(g.Name, "保護者の氏名", "guardian's name"), checkLength(g.Relation, "続柄", "relation"), checkPhones(g.Phones))
		if err != nil {
			return err
		}
		for _, c := range g.Contacts {
			if _, err := address.Parse(c.Address); err != nil {
				return problem.Of(err)[0]
			}
			if seen[c.Key()] {
				return problem.New(problem.Invalid, "同じメールアドレスが二回入っています。一つにしてください。", "One address is there twice. Please leave one out.")
			}
			seen[c.Key()] = true
		}
	}
	return nil
}

func checkPhones(phones []string) *problem.Error {
	if len(phones) > MaxPhones {
		return problem.New(problem.Invalid, "電話番号が%d件を超えています。減らしてください。", "There are more than %d phone numbers. Please leave some out.", MaxPhones)
	}
	for _, p := range phones {
		if len([]rune(p)) > MaxPhoneLength {
			return tooLong(p, "電話番号", "phone number")
		}
	}
	return nil
}

func checkName(name, ja, en string) *problem.Error {
	if clean(name) == "" {
		return problem.New(problem.Invalid, "%[1]sがありません。%[1]sを入れてください。", "The %[2]s is missing. Please fill it in.", ja, en)
	}
	if len([]rune(name)) > MaxNameLength {
		return tooLong(name, ja, en)
	}
	return nil
}

func tooLong(text, ja, en string) *problem.Error {
	return problem.New(problem.Invalid, "%[1]sが長すぎます（%[3]d文字）。%[4]d文字以内にしてください。",
		"The %[2]s is too long (%[3]d characters). Please use at most %[4]d.", ja, en, len([]rune(text)), MaxNameLength)
}
