package mailhelp

import (
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

var hibari = roster.School{ID: "s1", Name: "ひばり小学校", Mail: "anzen@hibari.example.jp", Phone: "03-0000-0001"}

func newHandler(t *testing.T, schools ...roster.School) http.Handler {
	t.Helper()
	s := &roster.Store{Table: bbolttest.Open(t, time.Now), Now: time.Now}
	for _, school := range schools {
		if err := s.PutSchool(t.Context(), school); err != nil {
			t.Fatal(err)
		}
	}
	h, err := New(Config{Roster: s, Log: slog.New(slog.DiscardHandler), School: web.School{Name: "見本市", Phone: "03-0000-0000"}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTemplates(t *testing.T) {
	webtest.Templates(t, templates, map[string]web.Data{"list.html": &listPage{}, "operator.html": &operatorPage{}})
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	res, err := webtest.Client(h).Get("http://todoku.test" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// Every page is there in both languages, says the domain, and stays small.
func TestPages(t *testing.T) {
	h := newHandler(t, hibari)
	for _, o := range operators {
		for _, l := range []string{"ja", "en"} {
			status, body := get(t, h, Path+"/"+o.Slug+"?domain=hibari.example.jp&lang="+l)
			if status != 200 || !strings.Contains(body, `value="hibari.example.jp"`) || !strings.Contains(body, `value="anzen@hibari.example.jp"`) {
				t.Errorf("%s, %s: status %d", o.Slug, l, status)
			}
			if n := strings.Count(body, `class="screen"`); n != len(o.Steps) {
				t.Errorf("%s: %d drawings for %d steps", o.Slug, n, len(o.Steps))
			}
			if strings.Contains(body, "style=") || strings.Contains(body, "http://") || strings.Contains(body, "https://") {
				t.Errorf("%s: an inline style, or another host", o.Slug)
			}
			const limit = 20 << 10
			if len(body) > limit {
				t.Errorf("%s: %d bytes", o.Slug, len(body))
			}
		}
	}
	if status, body := get(t, h, Path); status != 200 || strings.Count(body, `href="/help/mail/`) != len(operators) {
		t.Errorf("the list: status %d", status)
	}
	if status, _ := get(t, h, Path+"/nonsense"); status != 404 {
		t.Errorf("no such operator: status %d", status)
	}
}

// A link says a domain only of which a school sends: nobody can have guardians let
// his own mail through.
func TestDomain(t *testing.T) {
	lark := hibari
	lark.ID, lark.Name = "s2", "つばめ小学校"
	other := roster.School{ID: "s3", Name: "別の学校", Mail: "x@other.example.jp"}
	tests := map[string]struct {
		schools []roster.School
		query   string
		domain  string // "" for none
		mail    string
	}{
		"the school's own":            {[]roster.School{hibari}, "?domain=hibari.example.jp", "hibari.example.jp", hibari.Mail},
		"in capitals":                 {[]roster.School{hibari}, "?domain=HIBARI.example.jp", "hibari.example.jp", hibari.Mail},
		"the only school, not said":   {[]roster.School{hibari}, "", "hibari.example.jp", hibari.Mail},
		"somebody else's":             {[]roster.School{hibari}, "?domain=evil.example.com", "", ""},
		"hostile":                     {[]roster.School{hibari}, "?domain=%22%3E%3Cscript%3E", "", ""},
		"one of several":              {[]roster.School{hibari, other}, "?domain=other.example.jp", "other.example.jp", other.Mail},
		"several, not said":           {[]roster.School{hibari, other}, "", "", ""},
		"several from the one domain": {[]roster.School{hibari, lark}, "?domain=hibari.example.jp", "hibari.example.jp", ""},
		"no school yet":               {nil, "?domain=hibari.example.jp", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := get(t, newHandler(t, tt.schools...), Path+"/docomo"+tt.query)
			if status != 200 || strings.Contains(body, "<script>") {
				t.Errorf("status %d: %s", status, body)
			}
			fields := regexp.MustCompile(`value="([^"]*)" readonly`).FindAllStringSubmatch(body, -1)
			var got []string
			for _, f := range fields {
				got = append(got, f[1])
			}
			if strings.Join(got, " ") != strings.TrimSpace(tt.domain+" "+tt.mail) {
				t.Errorf("shown: %v", got)
			}
		})
	}
}

func TestFor(t *testing.T) {
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{
		"docomo.ne.jp": "/docomo", "ezweb.ne.jp": "/au", "au.com": "/au", "uqmobile.jp": "/au", "i.softbank.jp": "/softbank",
		"t.vodafone.ne.jp": "/softbank", "ymobile.ne.jp": "/ymobile", "wm.pdx.ne.jp": "/ymobile", "rakumail.jp": "/rakuten",
		"icloud.com": "/icloud", "me.com": "/icloud", "gmail.com": "/gmail", "yahoo.co.jp": "/yahoo", "yahoo.ne.jp": "/yahoo",
		"nifty.com": "", "school.example.jp": "",
	} {
		if got := For(domain, lanes.Of(domain), "hibari.example.jp"); got != Path+want+"?domain=hibari.example.jp" {
			t.Errorf("%s: %s", domain, got)
		}
	}
}

// What stands in a drawing fits into it: 15 wide letters.
func TestDrawings(t *testing.T) {
	for _, o := range operators {
		for _, s := range o.Steps {
			for _, text := range append([]string{s.Screen.Title}, s.Screen.Rows...) {
				if n := utf8.RuneCountInString(text); n > 15 {
					t.Errorf("%s: %q has %d letters", o.Slug, text, n)
				}
			}
			if s.Screen.Chosen < 0 || s.Screen.Chosen >= len(s.Screen.Rows) {
				t.Errorf("%s: %q has no row %d", o.Slug, s.Screen.Title, s.Screen.Chosen)
			}
		}
	}
}
