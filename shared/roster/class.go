package roster

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/todoku/todoku/shared/problem"
)

// maxGrade is the last grade: schools of all levels count to 12 at most.
const maxGrade = 12

// NewClass returns the class with the label in the grade. A grade of 0 is none, an
// empty label the only class of its grade. Its id follows from both, so that two
// imports at once cannot make one class twice.
func NewClass(grade int, label string) Group {
	id := "class-" + strconv.Itoa(grade)
	if label != "" {
		id += "-" + slug(label)
	}
	return Group{ID: id, Kind: Class, Name: className(grade, label), Label: label, Grade: grade}
}

// NewGroup returns the group, neither class nor grade, with the name; its id
// follows from the name.
func NewGroup(name string) Group {
	return Group{ID: "group-" + slug(name), Kind: Other, Name: name}
}

var plain = regexp.MustCompile(`^[a-z0-9]{1,16}$`)

// slug returns a short name for identifiers: the name itself if it is plain, else
// a digest of it.
func slug(name string) string {
	f := fold(name)
	if plain.MatchString(f) {
		return f
	}
	sum := sha256.Sum256([]byte(f))
	return fmt.Sprintf("x%x", sum[:6])
}

func className(grade int, label string) string {
	name := ""
	if grade > 0 {
		name = strconv.Itoa(grade) + "年"
	}
	if label == "" || isWhole(label) {
		return name + label
	}
	return name + label + "組"
}

// isWhole reports whether a label is a class's name without 組 after it.
func isWhole(label string) bool {
	for _, end := range []string{"学級", "級", "科", "部", "教室"} {
		if strings.HasSuffix(label, end) {
			return true
		}
	}
	return false
}

const month = `(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)`

var (
	gradeForm = regexp.MustCompile(`(?i)^(?:grade|year|第)? ?([0-9]{1,2}) ?(?:年生|年次|学年|年|grade)?$`)
	// A class with its grade: 1年2組, 1-2, 1の2, Grade 1 Class 2.
	longForm = regexp.MustCompile(`(?i)^(?:grade ?)?([0-9]{1,2}) ?(?:年生?|[-‐−–ー―の]| class )(.*)$`)
	// What Excel makes of a class such as 1-2, in Japanese and in English, or as a whole date.
	dateForm  = regexp.MustCompile(`(?i)^(?:[0-9]{1,2}月[0-9]{1,2}日|[0-9]{1,2}-` + month + `(?:-[0-9]{2,4})?|` + month + `-[0-9]{1,4}|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})$`)
	kanjiYear = strings.NewReplacer("十二年", "12年", "十一年", "11年", "十年", "10年", "一年", "1年", "二年", "2年", "三年", "3年",
		"四年", "4年", "五年", "5年", "六年", "6年", "七年", "7年", "八年", "8年", "九年", "9年")
)

// parseClass understands the cells for grade and class, of which one may be
// empty: "1" and "2", "1年" and "１年２組", "" and "1-2", "" and "ひまわり組".
//
// The years of a kindergarten (年少, 年中, 年長) are no numbers; they become part of
// the class's name.
func parseClass(gradeCell, classCell string) (Group, *problem.Error) {
	if year := clean(gradeCell); year == "年少" || year == "年中" || year == "年長" {
		gradeCell, classCell = "", year+strings.TrimPrefix(clean(classCell), year)
	}
	grade, err := parseGrade(gradeCell)
	if err != nil {
		return Group{}, err
	}
	label := kanjiYear.Replace(narrow(classCell))
	if dateForm.MatchString(label) {
		return Group{}, problem.New(problem.Invalid, "組「%s」が日付になっています（Excelは「1-2」のような組を日付に変えることがあります）。「1年2組」のように入れ直してください。",
			"The class “%s” is a date (Excel may turn a class such as “1-2” into one). Please write it as “Grade 1 Class 2”.", clean(classCell))
	}
	if m := longForm.FindStringSubmatch(label); m != nil {
		n, _ := strconv.Atoi(m[1])
		if grade != 0 && grade != n {
			return Group{}, problem.New(problem.Invalid, "学年「%s」と組「%s」が合っていません。どちらかを直してください。",
				"The grade “%s” and the class “%s” contradict each other. Please correct one.", clean(gradeCell), clean(classCell))
		}
		grade, label = n, m[2]
	}
	label = bareLabel(label)
	if err := checkClass(grade, label); err != nil {
		return Group{}, err
	}
	return NewClass(grade, label), nil
}

func checkClass(grade int, label string) *problem.Error {
	switch {
	case grade > maxGrade:
		return problem.New(problem.Invalid, "学年は1から12の数字にしてください。", "Please write the grade as a number from 1 to 12.")
	case grade == 0 && label == "":
		return problem.New(problem.Invalid, "組がありません。組を入れてください。", "The class is missing. Please fill it in.")
	case len([]rune(label)) > MaxNameLength:
		return problem.New(problem.Invalid, "組の名前が長すぎます。100文字以内にしてください。", "The class name is too long. Please use at most 100 characters.")
	}
	return nil
}

func parseGrade(cell string) (int, *problem.Error) {
	s := kanjiYear.Replace(narrow(cell))
	if s == "" {
		return 0, nil
	}
	m := gradeForm.FindStringSubmatch(s)
	if m == nil || strings.Trim(m[1], "0") == "" {
		return 0, problem.New(problem.Invalid, "学年「%s」は、1から12の数字にしてください（小中一貫校の中学1年は7）。",
			"Please write the grade “%s” as a number from 1 to 12 (in a school of several levels count on: 7 after 6).", clean(cell))
	}
	n, _ := strconv.Atoi(m[1]) // two digits at most
	return n, nil
}

// bareLabel takes off what className puts around a label.
func bareLabel(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 6 && strings.EqualFold(s[:6], "class ") {
		s = s[6:]
	}
	for _, end := range []string{"組", "クラス", "ｸﾗｽ"} {
		if t := strings.TrimSpace(strings.TrimSuffix(s, end)); t != "" && t != s {
			return t
		}
	}
	return s
}

// inOrder sorts groups as a school lists them: classes by grade and name, then
// grades, then the others by name; "2組" comes before "10組".
func inOrder(groups []Group) {
	rank := map[GroupKind]int{Class: 0, Grade: 1, Other: 2}
	slices.SortFunc(groups, func(a, b Group) int {
		if c := cmp.Or(rank[a.Kind]-rank[b.Kind], a.Grade-b.Grade); c != 0 {
			return c // names take much longer to compare
		}
		return cmp.Or(natural(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
}

// natural compares texts with the numbers in them as numbers.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := firstRun(a), firstRun(b)
		c := strings.Compare(x, y)
		if strings.Trim(x+y, decimals) == "" {
			n, err := strconv.Atoi(x)
			m, err2 := strconv.Atoi(y)
			if err == nil && err2 == nil {
				c = cmp.Compare(n, m)
			}
		}
		if c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

const decimals = "0123456789"

// firstRun returns the digits, or else what is none, that s begins with.
func firstRun(s string) string {
	if rest := strings.TrimLeft(s, decimals); rest != s {
		return s[:len(s)-len(rest)]
	}
	if n := strings.IndexAny(s, decimals); n > 0 {
		return s[:n]
	}
	return s
}

// withGrades adds to classes and others the grades that the classes make up.
func withGrades(groups []Group) []Group {
	inOrder(groups)
	grades := map[int]*Group{}
	for _, g := range groups {
		if g.Kind != Class || g.Grade == 0 {
			continue
		}
		if grades[g.Grade] == nil {
			grades[g.Grade] = &Group{ID: fmt.Sprintf("grade-%d", g.Grade), Kind: Grade, Name: fmt.Sprintf("%d年", g.Grade), Grade: g.Grade}
		}
		grades[g.Grade].Classes = append(grades[g.Grade].Classes, g.ID)
		grades[g.Grade].Children += g.Children
	}
	for _, g := range grades {
		groups = append(groups, *g)
	}
	inOrder(groups)
	return groups
}
