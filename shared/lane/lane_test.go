package lane

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/queue"
)

func load(t *testing.T, own string) *Lanes {
	t.Helper()
	ls, err := Load(strings.NewReader(own))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return ls
}

func TestOf(t *testing.T) {
	ls := load(t, `{}`)
	tests := []struct{ domain, want string }{
		{"docomo.ne.jp", "docomo"},
		{"DOCOMO.ne.jp.", "docomo"},
		{"ezweb.ne.jp", "au"},
		{"biz.ezweb.ne.jp", "au"},
		{"au.com", "au"},
		{"softbank.ne.jp", "softbank"},
		{"i.softbank.jp", "softbank"},
		{"t.vodafone.ne.jp", "softbank"},
		{"disney.ne.jp", "softbank"},
		{"ymobile.ne.jp", "softbank"},
		{"di.pdx.ne.jp", "softbank"},
		{"rakumail.jp", "rakuten"},
		{"yahoo.co.jp", "yahoo-jp"},
		{"yahoo.ne.jp", "yahoo-jp"},
		{"gmail.com", "google"},
		{"hotmail.co.jp", "microsoft"},
		{"me.com", "apple"},
		{"softbank.co.jp", "softbank.co.jp"},
		{"notdocomo.ne.jp", "notdocomo.ne.jp"},
		{"yahoo.com", "yahoo.com"},
		{"abc.ocn.ne.jp", "ocn.ne.jp"},
		{"mail.example-es.ed.jp", "example-es.ed.jp"},
		{"ne.jp", "ne.jp"},
		{"docomo", "docomo."},
		{"localhost", "localhost."},
		{"", "."},
	}
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			if got := ls.Of(tt.domain); got.Name != tt.want {
				t.Errorf("Of(%q) = %q, want %q", tt.domain, got.Name, tt.want)
			}
		})
	}
}

func TestOfMX(t *testing.T) {
	ls := load(t, `{"lanes": [{"name": "filter", "mx": ["in.example.net"], "domains": ["own.example.jp"]}]}`)
	tests := []struct {
		name, domain string
		mx           []string
		want         string
	}{
		{"Workspace", "school.ed.jp", []string{"aspmx.l.google.com.", "alt1.aspmx.l.google.com."}, "google"},
		{"Exchange Online", "school.ed.jp", []string{"school-ed-jp.mail.protection.outlook.com"}, "microsoft"},
		{"new Exchange Online", "school.ed.jp", []string{"school-ed-jp.a-v1.mx.microsoft"}, "microsoft"},
		{"case", "school.ed.jp", []string{"SMTP.Google.Com"}, "google"},
		{"second host", "school.ed.jp", []string{"mx.school.ed.jp", "smtp.google.com"}, "google"},
		{"host before domain", "own.example.jp", []string{"smtp.google.com"}, "google"},
		{"domain, where the host is not known", "own.example.jp", []string{"mx.elsewhere.jp"}, "filter"},
		{"longest suffix", "school.ed.jp", []string{"a.in.example.net"}, "filter"},
		{"two customers of one host, first", "school-a.ed.jp", []string{"mx1.hosting.co.jp"}, "hosting.co.jp"},
		{"two customers of one host, second", "school-b.ed.jp", []string{"mx2.hosting.co.jp"}, "hosting.co.jp"},
		{"most preferred", "school.ed.jp", []string{"mx.a.jp", "mx.b.jp"}, "a.jp"},
		{"null MX", "www.school.ed.jp", []string{"."}, "school.ed.jp"},
		{"no hosts", "www.school.ed.jp", nil, "school.ed.jp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ls.OfMX(tt.domain, tt.mx); got.Name != tt.want {
				t.Errorf("OfMX(%q, %q) = %q, want %q", tt.domain, tt.mx, got.Name, tt.want)
			}
		})
	}
}

func TestLaneOutsideTheFile(t *testing.T) {
	got := load(t, `{}`).Of("www.example.jp")
	want := Lane{
		Name:  "example.jp",
		Label: lang.Text{JA: "example.jp", EN: "example.jp"},
		Slots: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A name in a record leads back to its lane.
func TestNamed(t *testing.T) {
	ls := load(t, `{}`)
	for _, domain := range []string{"docomo.ne.jp", "example.jp", "localhost", strings.Repeat("a.", 100) + "b"} {
		want := ls.Of(domain)
		if diff := cmp.Diff(want, ls.Named(want.Name)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", domain, diff)
		}
	}
}

// All is a copy.
func TestAllCannotChangeTheLanes(t *testing.T) {
	ls := load(t, `{}`)
	ls.All()[0].Slots = 99
	if ls.All()[0].Slots == 99 {
		t.Error("a caller changed the lanes")
	}
}

func TestGroupFitsTheQueue(t *testing.T) {
	ls := load(t, `{"default": {"slots": 100}}`)
	long := strings.Repeat("a", 63)
	domains := []string{
		"docomo.ne.jp", "example.jp", "",
		long + ".jp",                             // fits
		long + "." + long + "." + long + ".zzz1", // below no suffix that is known: kept to its last two labels
		strings.Repeat("a", 200) + ".jp",         // no label is that long, but a caller may be wrong
		strings.Repeat("a", 201) + ".jp",
		"with space.jp", "with#slot.jp", "日本語.jp", "a\r\nb.jp",
	}
	seen := map[string]string{}
	for _, domain := range domains {
		l := ls.Of(domain)
		group := Place{Lane: l.Name, Slot: MaxSlots + l.Slots - 1, Alert: "k7gq2k9z"}.Group()
		if n := len(group); n < 1 || n > queue.MaxIDBytes {
			t.Errorf("%q: group of %d characters", domain, n)
		}
		if strings.ContainsFunc(group, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.Count(group, "#") != 1 {
			t.Errorf("%q: group %q", domain, group)
		}
		if other, ok := seen[group]; ok {
			t.Errorf("%q and %q share group %q", domain, other, group)
		}
		seen[group] = domain
	}
}

// The slots of contacts must not change from one release to the next: a contact's
// copies in the queue would lose their order.
func TestSlotIsTheSameInEveryProcess(t *testing.T) {
	var got []int
	for _, id := range []string{"", "a", "01J0000000000000000000000A", "01J0000000000000000000000B", "連絡先"} {
		got = append(got, Lane{Slots: MaxSlots}.Slot(id))
	}
	if diff := cmp.Diff([]int{42, 15, 22, 40, 92}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// 10,000 contacts are spread as evenly as chance would: chi-squared stays under
// the value that chance passes once in a million.
func TestSlotsAreEven(t *testing.T) {
	shapes := map[string]string{
		"counted":    "%d",
		"ULID-like":  "01J%023d",
		"even only":  "c-%d0",
		"in the mid": "c%06d-contact",
	}
	for name, format := range shapes {
		for _, slots := range []int{2, 3, 4, 5, 8, 10, 100} {
			t.Run(fmt.Sprintf("%s/%d", name, slots), func(t *testing.T) {
				const n = 10_000
				counts := make([]float64, slots)
				for i := range n {
					counts[Lane{Slots: slots}.Slot(fmt.Sprintf(format, i))]++
				}
				expect, chi2 := float64(n)/float64(slots), 0.0
				for _, c := range counts {
					chi2 += (c - expect) * (c - expect) / expect
				}
				df := float64(slots - 1)
				if limit := df * math.Pow(1-2/(9*df)+4.75*math.Sqrt(2/(9*df)), 3); chi2 > limit { // Wilson-Hilferty
					t.Errorf("chi-squared %.1f over %.1f: %v", chi2, limit, counts)
				}
			})
		}
	}
}
