package address

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/lang"
)

func mustParse(t *testing.T, s string) Address {
	t.Helper()
	a, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return a
}

func TestSuggest(t *testing.T) {
	tests := []struct{ domain, want string }{
		{"docomo.ne.jo", "docomo.ne.jp"},
		{"docomo.co.jp", "docomo.ne.jp"},
		{"docomo.co.jo", "docomo.ne.jp"},
		{"docomo.jp", "docomo.ne.jp"},
		{"docomo.com", "docomo.ne.jp"},
		{"docomo.ne", "docomo.ne.jp"},
		{"docomo.nejp", "docomo.ne.jp"},
		{"docomone.jp", "docomo.ne.jp"},
		{"docomo.ne.jpp", "docomo.ne.jp"},
		{"docom.ne.jp", "docomo.ne.jp"},
		{"docmo.ne.jp", "docomo.ne.jp"},
		{"dokomo.ne.jp", "docomo.ne.jp"},
		{"dcoomo.ne.jp", "docomo.ne.jp"},
		{"docono.ne.jp", "docomo.ne.jp"},
		{"docomoo.ne.jp", "docomo.ne.jp"},
		{"socomo.ne.jp", "docomo.ne.jp"},
		{"ezewb.ne.jp", "ezweb.ne.jp"},
		{"ezwed.ne.jp", "ezweb.ne.jp"},
		{"exweb.ne.jp", "ezweb.ne.jp"},
		{"ezweb.co.jp", "ezweb.ne.jp"},
		{"ezweb.ne.jo", "ezweb.ne.jp"},
		{"ezweb.jp", "ezweb.ne.jp"},
		{"au.con", "au.com"},
		{"au.ne.jp", "au.com"},
		{"softbank.jp", "i.softbank.jp"},
		{"isoftbank.jp", "i.softbank.jp"},
		{"i.softbank.ne.jp", "i.softbank.jp"},
		{"i.sofbank.jp", "i.softbank.jp"},
		{"i.softbank.jo", "i.softbank.jp"},
		{"softbank.ne.jo", "softbank.ne.jp"},
		{"sofutbank.ne.jp", "softbank.ne.jp"},
		{"softnank.ne.jp", "softbank.ne.jp"},
		{"ymobile.co.jp", "ymobile.ne.jp"},
		{"gmail.co.jp", "gmail.com"},
		{"gmail.ne.jp", "gmail.com"},
		{"gmail.jp", "gmail.com"},
		{"gmail.co", "gmail.com"},
		{"gmail.con", "gmail.com"},
		{"gmail.cmo", "gmail.com"},
		{"gmail.comm", "gmail.com"},
		{"gmial.com", "gmail.com"},
		{"gmial.con", "gmail.com"},
		{"gamil.com", "gmail.com"},
		{"gmal.com", "gmail.com"},
		{"gmaill.com", "gmail.com"},
		{"gnail.com", "gmail.com"},
		{"fmail.com", "gmail.com"},
		{"iclould.com", "icloud.com"},
		{"icluod.com", "icloud.com"},
		{"lcloud.com", "icloud.com"},
		{"icloud.co.jp", "icloud.com"},
		{"icloud.ne.jp", "icloud.com"},
		{"yahoo.co", "yahoo.co.jp"},
		{"yahoo.jp", "yahoo.co.jp"},
		{"yahoo.co.jo", "yahoo.co.jp"},
		{"yaho.co.jp", "yahoo.co.jp"},
		{"yafoo.co.jp", "yahoo.co.jp"},
		{"yahooo.co.jp", "yahoo.co.jp"},
		{"yahoo.con", "yahoo.com"},
		{"yhaoo.com", "yahoo.com"},
		{"hotmial.com", "hotmail.com"},
		{"hotmai.com", "hotmail.com"},
		{"hotmail.ne.jp", "hotmail.co.jp"},
		{"hotmal.co.jp", "hotmail.co.jp"},
		{"outlok.jp", "outlook.jp"},
		{"outlook.co.jp", "outlook.jp"},
		{"outlook.co", "outlook.com"},
		{"rakumail.co.jp", "rakumail.jp"},
		// Not popular, but the ending tells.
		{"example-es.ed.jo", "example-es.ed.jp"},
		{"example.co.jo", "example.co.jp"},
		{"example.con", "example.com"},
		{"example.nte", "example.net"},
		{"xn--wgv71a119e.jpp", "xn--wgv71a119e.jp"},
	}
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			got, ok := Suggest(mustParse(t, "Tarou.x@"+tt.domain))
			want := Address{Local: "Tarou.x", Domain: tt.want}
			if !ok || got != want {
				t.Errorf("Suggest = %v, %v; want %v", got, ok, want)
			}
		})
	}
}

func TestSuggestLeavesRealDomainsAlone(t *testing.T) {
	real := []string{
		"yahoo.com", "yahoo.ne.jp", "yahoo.fr", "yahoo.co.uk", "yahoo.com.au", "ymail.com", "ymail.ne.jp",
		"mail.com", "email.com", "gmx.com", "gmx.de", "fastmail.com", "cloud.com", "me.com", "mac.com", "mr.com",
		"au.com", "biz.au.com", "kddi.com", "uqmobile.jp", "biz.ezweb.ne.jp",
		"softbank.co.jp", "g.softbank.co.jp", "t.vodafone.ne.jp", "jp-t.ne.jp", "ymobile1.ne.jp", "emobile.ne.jp",
		"nttdocomo.com", "nttdocomo.co.jp", "mopera.net", "smt.docomo.ne.jp", "ahamo.com",
		"hotmail.fr", "hotmail.co.uk", "hotmail.de", "outlook.fr", "outlook.de", "live.nl", "live.com", "line.me",
		"example.co.jp", "example.com", "example.jo", "com.jo", "line.jp", "fifty.com", "school.ed.jp", "abc.ocn.ne.jp",
		"tba.t-com.ne.jp", "nifty.com", "rakuten.co.jp", "co.kr", "example.co.kr", "city.yokohama.jp", "m.jp",
		"demo.example", "xn--wgv71a119e.jp", "tokyo.lg.jp", "u-tokyo.ac.jp", "qmail.org",
	}
	for _, domain := range append(real, popular...) {
		t.Run(domain, func(t *testing.T) {
			if got, ok := Suggest(mustParse(t, "t@"+domain)); ok {
				t.Errorf("Suggest(t@%s) = %v, want none", domain, got)
			}
		})
	}
}

// An Address need not come from Parse.
func TestSuggestTakesAnything(t *testing.T) {
	for _, a := range []Address{{}, {Domain: "x"}, {Local: "t", Domain: "."}, {Domain: ".jp"}, {Local: "t", Domain: "ezweb"}} {
		if got, ok := Suggest(a); ok {
			t.Errorf("Suggest(%#v) = %v", a, got)
		}
		_ = Doubts(a)
	}
}

// Whatever is suggested must be an address, and a better one.
func TestSuggestionsNeedNoSuggestion(t *testing.T) {
	for slip, want := range slips {
		a := mustParse(t, "t@"+slip)
		got, ok := Suggest(a)
		if !ok || got.Domain != want {
			t.Errorf("Suggest(%v) = %v, %v; want %s", a, got, ok, want)
		}
		if again, ok := Suggest(mustParse(t, got.Mailbox())); ok {
			t.Errorf("Suggest(%v) = %v, which leads on to %v", a, got, again)
		}
	}
}

func TestDomainListsAreApart(t *testing.T) {
	lists := map[string]string{}
	add := func(domain, list string) {
		if lists[domain] != "" {
			t.Errorf("%s is in %s and in %s", domain, lists[domain], list)
		}
		lists[domain] = list
		if a := mustParse(t, "t@"+domain); a.Domain != domain {
			t.Errorf("%s in %s is written %s", domain, list, a.Domain)
		}
	}
	for _, d := range popular {
		add(d, "popular")
		if neighbours[d[0]] == "" {
			t.Errorf("no neighbours of %c, with which %s begins", d[0], d)
		}
	}
	for _, d := range alsoReal {
		add(d, "alsoReal")
	}
	for d := range slips {
		add(d, "slips")
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0},
		{"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "abcd", 1}, {"abc", "ac", 1},
		{"gmail", "gmial", 1}, {"gmail", "gamli", 2}, {"ca", "abc", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestDoubts(t *testing.T) {
	slip := lang.Text{
		JA: "「@docomo.ne.jo」は「@docomo.ne.jp」ではありませんか。確かめてください。",
		EN: "Should @docomo.ne.jo be @docomo.ne.jp? Please check.",
	}
	ending := lang.Text{
		JA: "「.zzz」で終わるアドレスは見当たりません。終わりの部分を確かめてください。",
		EN: "No address is known to end in .zzz. Please check the ending.",
	}
	role := lang.Text{
		JA: "個人ではなく、窓口や自動送信用のアドレスのようです。ご本人が読めるアドレスか確かめてください。",
		EN: "This looks like the address of an office or a machine. Please check that the person reads it.",
	}
	list := lang.Text{
		JA: "メーリングリストのアドレスのようです。回答用のリンクが、参加者全員に届いてしまいます。ご本人のアドレスか確かめてください。",
		EN: "This looks like the address of a mailing list. Everybody on it would get the link to answer. Please check that it is the person's own.",
	}
	tests := []struct {
		name, in string
		want     []lang.Text
	}{
		{"none", "t@docomo.ne.jp", nil},
		{"slip", "t@docomo.ne.jo", []lang.Text{slip}},
		{"ending", "t@example.zzz", []lang.Text{ending}},
		{"ending for examples", "t@school.example", nil},
		{"role", "Info@example.jp", []lang.Text{role}},
		{"role that nobody reads", "no-reply@example.jp", []lang.Text{role}},
		{"list by its name", "pta-ml@example.jp", []lang.Text{list}},
		{"list by its service", "pta@googlegroups.com", []lang.Text{list}},
		{"list by its domain", "pta@ml.example.jp", []lang.Text{list}},
		{"a name that holds that of a list", "callista@example.jp", nil},
		{"role and slip", "postmaster@docomo.ne.jo", []lang.Text{slip, role}},
		{"a name that begins like a role", "infor@example.jp", nil},
		{"dotted country", "t@example.co.ck", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Doubts(mustParse(t, tt.in))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
