package address

import (
	"net/mail"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/todoku/todoku/shared/problem"
)

var seeds = []string{
	"tarou@example.co.jp", "山田　太郎 ＜t@example.co.jp＞", "ｔａｒｏ＠ｄｏｃｏｍｏ．ｎｅ．ｊｐ",
	`"a..b"@docomo.ne.jp`, "ab.@ezweb.ne.jp", "a‥b@docomo.ne.jp", "mailto:t%40example.jp?cc=u@example.jp",
	"t@日本語。jp", "t@xn--wgv71a119e.jp", "t@xn--ls8h.la", "t@xn--a.jp", "t@faß.de", "'t@example.jp'",
	`"'t"@example.jp`, "taーro@example.jp", "a@example.jp、b@example.jp；c@docomo.ne.jo", "t@[192.0.2.1]",
	"\ufeff\u202et@example.jp\u202c", "t@exam\u00adple.jp", "t@a\u200db.jp", "t@xn--ab-0ea.jp", "a@b@c.jp", "@",
	"tarou.yamada+x@a-b.example.co.jp", "a@co.jp", "a@b.c-", "a@-b.jp", "a@1.jp", "a@b.1", "a@x--y.jp", "a@xn--a.jp", ".a@b.jp", "a..b@c.jp",
	"\"@\"@\"", "t@docomo.co.jp", "mailto:%0d%0a@x.jp", "A@ne.0p", "t@co.p", `"%..b"@docomo.ne.jp`, "t@ﬀ.jp", "ﷺ@x.jp",
}

// FuzzParse checks that an accepted address can be sent to, and means the same
// in each of its forms.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			checkProblem(t, err)
			return
		}
		checkAddress(t, a)
		if slow, err := parse(s); err != nil || slow != a {
			t.Errorf("Parse(%q) = %v, and the long way %v, %v", s, a, slow, err)
		}
	})
}

// FuzzParseList checks the same of lists, and that joining what was found gives
// the same list.
func FuzzParseList(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
		f.Add(s + "\n" + seeds[0])
	}
	f.Fuzz(func(t *testing.T, s string) {
		addrs, err := ParseList(s)
		if err != nil {
			checkProblem(t, err)
		}
		for _, a := range addrs {
			checkAddress(t, a)
		}
		joined := strings.Join(texts(addrs), "、")
		if len(joined) > MaxListInput {
			return
		}
		again, err := ParseList(joined)
		if err != nil || strings.Join(texts(again), "、") != joined {
			t.Errorf("ParseList(%q) = %v, %v", joined, again, err)
		}
	})
}

func checkProblem(t *testing.T, err error) {
	t.Helper()
	for _, p := range problem.Of(err) {
		if p.Text.JA == "" || p.Text.EN == "" || p.Kind == problem.Internal {
			t.Errorf("not a sentence for a person: %#v", p)
		}
	}
}

func checkAddress(t *testing.T, a Address) {
	t.Helper()
	forms := []string{
		a.String(), a.Mailbox(), "山田太郎 <" + a.Mailbox() + ">", "mailto:" + url.PathEscape(a.Mailbox()),
	}
	for _, form := range forms {
		if again, err := Parse(form); err != nil || again != a {
			t.Errorf("Parse(%q) = %#v, %v; want %#v", form, again, err, a)
		}
	}
	if strings.ContainsFunc(a.String(), unfit) || strings.ContainsAny(a.String(), "\"<>") {
		t.Errorf("%q has characters that do not belong into an address", a)
	}
	if isASCII(a.Mailbox()) && !strings.ContainsFunc(a.Mailbox(), unfit) && strings.Contains(a.Domain, ".") {
		checkRcpt(t, a)
	} else {
		t.Errorf("Mailbox() = %q", a.Mailbox())
	}
	if better, ok := Suggest(a); ok {
		if _, err := Parse(better.Mailbox()); err != nil || better == a {
			t.Errorf("Suggest(%v) = %v: %v", a, better, err)
		}
	}
	Doubts(a)
}

func unfit(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control)
}

// checkRcpt holds the mailbox to the limits of an SMTP command line and to a
// parser that is not ours.
func checkRcpt(t *testing.T, a Address) {
	t.Helper()
	if len(a.Local) > 64 || len("<"+a.Mailbox()+">") > 256 {
		t.Errorf("%q is too long for RCPT", a.Mailbox())
	}
	got, err := mail.ParseAddress("<" + a.Mailbox() + ">")
	if err != nil || got.Address != a.Local+"@"+a.Domain {
		t.Errorf("net/mail reads %q as %v, %v", a.Mailbox(), got, err)
	}
}
