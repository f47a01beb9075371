package lane

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

func TestShippedFile(t *testing.T) {
	ls, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range ls.All() {
		names = append(names, l.Name)
	}
	want := []string{"docomo", "au", "softbank", "rakuten", "yahoo-jp", "google", "microsoft", "apple"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("lanes (-want +got)\n%s", diff)
	}
}

// Every figure that ships says where it comes from, and a stated or reported one
// says what was stated.
func TestShippedFiguresHaveSources(t *testing.T) {
	f, err := decode(bytes.NewReader(shipped))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(f.Lanes, entry{figures: f.Default}) {
		basis, what, _ := strings.Cut(e.SlotsSource, ": ")
		if basis != "stated" && basis != "reported" && basis != "assumed" || len(what) < 10 {
			t.Errorf("lane %q: source %q", e.Name, e.SlotsSource)
		}
		if e.Name != "" && e.Label == nil {
			t.Errorf("lane %q has no label", e.Name)
		}
	}
}

// A domain in two shipped lanes, or twice in one, is an oversight.
func TestShippedDomainsAreInOneLane(t *testing.T) {
	f, err := decode(bytes.NewReader(shipped))
	if err != nil {
		t.Fatal(err)
	}
	for _, pick := range []func(entry) []string{
		func(e entry) []string { return e.Domains },
		func(e entry) []string { return e.MX },
	} {
		home := map[string]string{}
		for _, e := range f.Lanes {
			for _, d := range pick(e) {
				if home[d] != "" {
					t.Errorf("%s is in %s and %s", d, home[d], e.Name)
				}
				home[d] = e.Name
			}
		}
		for d, lane := range home {
			for _, above := range parents(d) {
				if home[above] != "" && home[above] == lane {
					t.Errorf("%s of %s needs no mention below %s", d, lane, above)
				}
			}
		}
	}
}

func parents(domain string) []string {
	var above []string
	for {
		_, rest, ok := strings.Cut(domain, ".")
		if !ok {
			return above
		}
		above = append(above, rest)
		domain = rest
	}
}

func TestLoadOverrides(t *testing.T) {
	ls := load(t, `{
		"about": "our own",
		"default": {"slots": 1},
		"lanes": [
			{"name": "docomo", "slots": 8, "slots_source": "agreed with the operator"},
			{"name": "google", "domains": ["school.ed.jp"], "label": {"ja": "グーグル", "en": "Google"}},
			{"name": "city", "domains": ["city.example.lg.jp"], "messages_per_connection": 7, "messages_source": "of before"}
		]}`)
	tests := []struct {
		domain string
		want   Lane
	}{
		{"docomo.ne.jp", Lane{"docomo", lang.Text{JA: "ドコモ", EN: "docomo"}, 8}},
		{"gmail.com", Lane{"google", lang.Text{JA: "グーグル", EN: "Google"}, 10}},
		{"school.ed.jp", Lane{"google", lang.Text{JA: "グーグル", EN: "Google"}, 10}},
		{"mail.city.example.lg.jp", Lane{"city", lang.Text{JA: "city", EN: "city"}, 1}},
		{"example.jp", Lane{"example.jp", lang.Text{JA: "example.jp", EN: "example.jp"}, 1}},
		{"ezweb.ne.jp", Lane{"au", lang.Text{JA: "au・UQ mobile", EN: "au and UQ mobile"}, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ls.Of(tt.domain)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, own string
		ja, en    []string // the problems, by what each must say
	}{
		{"empty", "", []string{"1行目：ファイルが途中で終わって"}, []string{"line 1: the file ends too early"}},
		{"cut off", "{\n\"lanes\": [\n", []string{"3行目：ファイルが途中で終わって"}, []string{"line 3: the file ends too early"}},
		{"not JSON", "{\n  \"lanes\": [\n    {name: 1}\n]}", []string{"3行目：JSON として読めません"}, []string{"line 3: this is not JSON"}},
		{"more after the end", "{}\n{}", []string{"2行目：ファイルの終わりに"}, []string{"line 2: there is more"}},
		{"unknown key", "{\"lanes\": [\n{\"name\": \"x\",\n \"slot\": 3}]}", []string{`3行目：項目名 "slot" は使えません`}, []string{`line 3: the key "slot" is not known`}},
		{"unknown key above", `{"lane": []}`, []string{`1行目：項目名 "lane"`}, []string{`line 1: the key "lane"`}},
		{"text for a number", "{\n\"default\": {\"slots\": \"4\"}}", []string{"2行目：default.slots の値"}, []string{"line 2: the value of default.slots"}},
		{"fraction", `{"default": {"slots": 1.5}}`, []string{"default.slots の値"}, []string{"the value of default.slots"}},
		{"no slots", `{"lanes": [{"name": "docomo", "slots": 0}]}`, []string{"レーン「docomo」：slots は1から100まで"}, []string{`Lane "docomo": slots must be a number from 1 to 100`}},
		{"too many slots", `{"default": {"slots": 101}}`, []string{"レーン「default」：slots"}, []string{`Lane "default": slots`}},
		{"bad name", `{"lanes": [{"name": "a.b", "domains": ["example.jp"]}]}`, []string{"名前 (name)"}, []string{"give it a name"}},
		{"no name", `{"lanes": [{"domains": ["example.jp"]}]}`, []string{"名前 (name)"}, []string{"give it a name"}},
		{"new lane without domains", `{"lanes": [{"name": "dokomo", "slots": 3}]}`, []string{"「dokomo」：domains か mx"}, []string{`"dokomo": give it domains or mx`}},
		{"shipped lane twice", `{"lanes": [{"name": "au", "slots": 3}, {"name": "au", "domains": ["x.jp"]}]}`, []string{"二回書かれて"}, []string{"it is there twice"}},
		{"new lane twice", `{"lanes": [{"name": "x", "domains": ["x.jp"]}, {"name": "x", "domains": ["y.jp"]}]}`, []string{"二回書かれて"}, []string{"it is there twice"}},
		{"domain of another lane", `{"lanes": [{"name": "x", "domains": ["gmail.com"]}]}`, []string{"「gmail.com」はレーン「google」にも"}, []string{"gmail.com is in lane google too"}},
		{"host of another lane", `{"lanes": [{"name": "x", "mx": ["google.com"]}]}`, []string{"「google.com」はレーン「google」にも"}, []string{"google.com is in lane google too"}},
		{"wildcard", `{"lanes": [{"name": "x", "domains": ["*.example.jp"]}]}`, []string{"「*.example.jp」はドメインではありません"}, []string{"*.example.jp is not a domain"}},
		{"address", `{"lanes": [{"name": "x", "domains": ["@example.jp"]}]}`, []string{"ドメインではありません"}, []string{"is not a domain"}},
		{"half a label", `{"lanes": [{"name": "au", "label": {"ja": "au"}}]}`, []string{"ja と en の両方"}, []string{"in both languages"}},
		{"domains for default", `{"default": {"domains": ["x.jp"]}}`, []string{`項目名 "domains" は`}, []string{`the key "domains"`}},
		{"several", `{"default": {"slots": 0}, "lanes": [{"name": "X", "domains": ["x"]}]}`,
			[]string{"default", "名前", "slots", "ドメインではありません"}, []string{"default", "name", "slots", "not a domain"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ls, err := Load(strings.NewReader(tt.own))
			if err == nil {
				t.Fatalf("Load = %v, want a problem", ls)
			}
			found := problem.Of(err)
			if len(found) != len(tt.en) {
				t.Fatalf("%d problems, want %d: %v", len(found), len(tt.en), err)
			}
			for i, p := range found {
				if p.Kind != problem.Invalid || !strings.Contains(p.Text.JA, tt.ja[i]) || !strings.Contains(p.Text.EN, tt.en[i]) {
					t.Errorf("problem %d is %v\nwant %q, %q", i, p.Text, tt.ja[i], tt.en[i])
				}
			}
		})
	}
}

func TestLoadFailsToRead(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := Load(iotest.ErrReader(broken))
	if !errors.Is(err, broken) || !problem.Is(err, problem.Invalid) {
		t.Errorf("Load = %v", err)
	}
	_, err = Load(io.LimitReader(endless{}, MaxFile+1))
	if !problem.Is(err, problem.TooLarge) {
		t.Errorf("Load of a file that is too large = %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
