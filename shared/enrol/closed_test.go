package enrol_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
)

// load imports a class list, and returns what the preview said about its rows.
func (b *bench) load(csv string) string {
	b.Helper()
	sheet, err := roster.ReadSheet(strings.NewReader(csv), 0)
	b.must(err)
	plan, err := roster.NewPlan(b.Context(), b.store.Roster, "s1", sheet, nil)
	b.must(err)
	if len(plan.Errors) > 0 {
		b.Fatalf("errors: %v", plan.Errors)
	}
	b.must(plan.Commit(b.Context(), nil))
	var said []string
	for _, n := range plan.Result(lang.EN).Warnings {
		if n.Row > 0 {
			said = append(said, n.Message)
		}
	}
	return strings.Join(said, "\n")
}

func (b *bench) export() string {
	b.Helper()
	var csv bytes.Buffer
	b.must(roster.Export(b.Context(), b.store.Roster, "s1", &csv, roster.UTF8))
	return csv.String()
}

// TestClosedStaysOut: an address that a person took out does not come back with a class
// list of before, until somebody enters it on purpose.
func TestClosedStaysOut(t *testing.T) {
	const old, next = "hana@docomo.ne.jp", "hana@gmail.com"
	to, err := address.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func(b *bench, o enrol.Owner) error
		mail string // the export's then
	}{
		{"its guardian replaced it", func(b *bench, o enrol.Owner) error {
			j, err := b.store.Add(b.Context(), o, to, o.Contact.ID)
			b.must(err)
			_, err = b.store.Confirm(b.Context(), "s1", j.ID)
			return err
		}, next},
		{"the office corrected it", func(b *bench, o enrol.Owner) error {
			return b.store.Fix(b.Context(), "s1", o.Family.ID, o.Contact.ID, to, "staff", b.lanes())
		}, next},
		{"a manager took it out", func(b *bench, o enrol.Owner) error {
			_, err := b.store.Remove(b.Context(), "s1", o.Family.ID, o.Contact.ID, b.lanes())
			return err
		}, ""},
	}
	for name, list := range map[string]string{
		"named":            "組,氏名,保護者,メール\nc1,見本 三郎,見本 花," + old + "\n",
		"without names":    "組,氏名,メール\nc1,見本 三郎," + old + "\n",
		"of another class": "組,氏名,メール\nc0,見本 三郎," + old + "\n",
	} {
		for _, tt := range tests {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				b := newBench(t)
				b.other.Children[0].Class, b.other.Children[0].Groups = roster.NewClass(0, "c1").ID, []string{"c1"}
				b.other, err = b.store.Roster.PutFamily(t.Context(), "s1", b.other)
				b.must(err)
				o, err := b.store.Owner(t.Context(), "s1", b.other.ID, b.other.Guardians[0].Contacts[0].ID)
				b.must(err)
				b.must(tt.do(b, o))
				for range 2 {
					if said := b.load(list); !strings.Contains(said, old+" is not put back") || strings.Contains(said, next) {
						t.Errorf("the preview says %q", said)
					}
					f, err := b.store.Roster.Family(t.Context(), "s1", b.other.ID)
					b.must(err)
					if csv := b.export(); strings.Contains(csv, old) || !strings.Contains(csv, tt.mail) || len(f.Guardians) != 1 || len(f.Children[0].Guardians) != 1 {
						t.Errorf("the roster is then %+v", f)
					}
				}
				b.invite("見本 三郎 " + old)
				if said := b.load(list); strings.Contains(said, "not put back") || !strings.Contains(b.export(), old) {
					t.Errorf("entered on purpose, it is not kept (%q):\n%s", said, b.export())
				}
			})
		}
	}
}
