package roster

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/todoku/todoku/shared/problem"
)

// Target is what a person says that a column holds.
type Target struct {
	Field    Field `json:"field"`
	Guardian int   `json:"guardian,omitempty"` // 1, 2, ... of a guardian's field; 0 is the first
}

// Mapping says what columns hold whose headers do not say it themselves. It goes before
// what a header seems to say. A key is one of ColumnKeys and means that column, or it is
// a header as somebody writes it and means all columns that have it.
type Mapping map[string]Target

// maxGuardians is how many guardians one row can name.
const maxGuardians = 9

// fields lists the fields that a Mapping can name.
var fields = []Field{Number, GradeOf, ClassOf, Seat, Name, Surname, Given, Kana, SurnameKana, GivenKana, Groups,
	GuardianName, GuardianSurname, Relation, Phone, Mail, Ignored}

// Fields returns the fields that a Mapping can name, in the order to offer them.
func Fields() []Field { return slices.Clone(fields) }

// columnKey is the form of ColumnKeys: what spellings of the header have in common,
// which never holds a #, and a number.
var columnKey = regexp.MustCompile(`^([^#]*)#([1-9][0-9]{0,2})$`)

// ColumnKeys returns the keys by which a Mapping tells the columns with these headers
// apart: 氏名#1 and 氏名#2 are the first and the second column with the header 氏名, #4 is
// the fourth column, which has none.
func ColumnKeys(headers []string) []string {
	keys, seen := make([]string, len(headers)), map[string]int{}
	for i, text := range headers {
		n, key := i+1, headerKey(text)
		if key != "" {
			seen[key]++
			n = seen[key]
		}
		keys[i] = key + "#" + strconv.Itoa(n)
	}
	return keys
}

// cutColumnKey returns the header in one of ColumnKeys. ok is false for a key of another
// kind.
func cutColumnKey(key string) (header string, ok bool) {
	parts := columnKey.FindStringSubmatch(key)
	if parts == nil || headerKey(parts[1]) != parts[1] {
		return "", false
	}
	return parts[1], true
}

// Of returns what the mapping says of columns with these headers, by their indices.
func (m Mapping) Of(headers []string) map[int]Target {
	all := map[string]Target{} // by what spellings of a header have in common
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(m))) {
		if _, ok := cutColumnKey(key); !ok {
			all[headerKey(key)] = m[key] // of several spellings the first counts
		}
	}
	found := map[int]Target{}
	for i, key := range ColumnKeys(headers) {
		t, ok := m[key]
		if !ok {
			t, ok = all[headerKey(headers[i])]
		}
		if ok {
			found[i] = t
		}
	}
	return found
}

// withHeaders returns what is to be remembered for other sheets: where a column without
// a header stands is another matter in each.
func (m Mapping) withHeaders() Mapping {
	kept := maps.Clone(m)
	maps.DeleteFunc(kept, func(key string, _ Target) bool {
		header, ok := cutColumnKey(key)
		return ok && header == ""
	})
	return kept
}

// columns returns how many columns a sheet has at least of which the mapping speaks
// by their places.
func (m Mapping) columns() int {
	most := 0
	for key := range m {
		if header, ok := cutColumnKey(key); ok && header == "" {
			n, _ := strconv.Atoi(key[1:])
			most = max(most, n)
		}
	}
	return min(most, maxColumns)
}

func (m Mapping) check() error {
	for key, t := range m {
		_, ok := cutColumnKey(key)
		ok = ok || headerKey(key) != ""
		if !ok || !slices.Contains(fields, t.Field) || t.Guardian < 0 || t.Guardian > maxGuardians || len(key) > 1000 || len(m) > maxColumns {
			return problem.New(problem.Invalid, "列「%.40s」の割り当てが正しくありません。選び直してください。",
				"What column “%.40s” holds is not valid. Please choose again.", clean(key)).In("mapping")
		}
	}
	return nil
}
