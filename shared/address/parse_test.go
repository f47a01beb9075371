package address

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/problem"
)

func TestParse(t *testing.T) {
	const tarou = "tarou@example.co.jp"
	tests := []struct{ name, in, want string }{
		{"plain", "tarou@example.co.jp", tarou},
		{"case of the domain folds", "tarou@Example.CO.JP", tarou},
		{"case of the local part stays", "Tarou.Yamada@example.co.jp", "Tarou.Yamada@example.co.jp"},
		{"spaces around", "  tarou@example.co.jp \t\r\n", tarou},
		{"name before brackets", "山田太郎<tarou@example.co.jp>", tarou},
		{"name, wide space and wide brackets", "山田　太郎 ＜tarou@example.co.jp＞", tarou},
		{"name in Latin letters before brackets", "Tarou Yamada <tarou@example.co.jp>", tarou},
		{"last name first, as Outlook writes it", "Yamada, Tarou <tarou@example.co.jp>", tarou},
		{"quoted name", `"Yamada, Tarou" <tarou@example.co.jp>`, tarou},
		{"name without brackets", "山田太郎 tarou@example.co.jp", tarou},
		{"name after", "tarou@example.co.jp 山田", tarou},
		{"note in brackets after", "tarou@example.co.jp（父）", tarou},
		{"Latin note in brackets after", "tarou@example.co.jp (father)", tarou},
		{"label", "メール：tarou@example.co.jp", tarou},
		{"Latin label", "E-mail: tarou@example.co.jp", tarou},
		{"address as its own name", "tarou@example.co.jp <Tarou@example.co.jp>", tarou},
		{"Japanese angle brackets", "山田〈tarou@example.co.jp〉", tarou},
		{"corner brackets", "「tarou@example.co.jp」", tarou},
		{"lenticular brackets", "【tarou@example.co.jp】", tarou},
		{"typographic quotes", "“tarou@example.co.jp”", tarou},
		{"straight quotes", `"tarou@example.co.jp"`, tarou},
		{"apostrophes", "'tarou@example.co.jp'", tarou},
		{"apostrophe of a spreadsheet", "'tarou@example.co.jp", tarou},
		{"full width", "ｔａｒｏｕ＠ｅｘａｍｐｌｅ．ｃｏ．ｊｐ", tarou},
		{"small at", "tarou﹫example.co.jp", tarou},
		{"spaces around the at", "tarou ＠　example.co.jp", tarou},
		{"ideographic stops as dots", "tarou@example。co。jp", tarou},
		{"half-width ideographic stops", "tarou@example｡co｡jp", tarou},
		{"sentence before", "連絡先です。tarou@example.co.jp", tarou},
		{"stop after", "tarou@example.co.jp。", tarou},
		{"dot after", "tarou@example.co.jp.", tarou},
		{"comma after", "tarou@example.co.jp、", tarou},
		{"mailto", "mailto:tarou@example.co.jp", tarou},
		{"mailto with subject", "mailto:tarou@example.co.jp?subject=%E5%87%BA%E6%AC%A0&cc=x@example.jp", tarou},
		{"mailto, escaped", "MAILTO:tarou%40example.co.jp", tarou},
		{"mailto in brackets", "山田 <mailto:tarou@example.co.jp>", tarou},
		{"zero-width space", "tarou\u200b@example.co.jp", tarou},
		{"byte order mark", "\ufefftarou@example.co.jp", tarou},
		{"right-to-left override", "\u202etarou@example.co.jp\u202c", tarou},
		{"soft hyphen", "tarou@exam\u00adple.co.jp", tarou},
		{"no-break space", "\u00a0tarou@example.co.jp\u00a0", tarou},
		{"typographic hyphen", "ta‐rou@ex−ample.co.jp", "ta-rou@ex-ample.co.jp"},
		{"long vowel as hyphen", "taーrou@example.co.jp", "ta-rou@example.co.jp"},
		{"apostrophe inside", "o’brien@example.com", "o'brien@example.com"},
		{"plus", "tarou+school@gmail.com", "tarou+school@gmail.com"},
		{"every character that an atom may have", "a!#$%&'*+-/=?^_`{|}~z@example.jp", "a!#$%&'*+-/=?^_`{|}~z@example.jp"},
		{"internationalised domain", "tarou@日本語.jp", "tarou@日本語.jp"},
		{"internationalised domain, wide", "tarou@日本語。ｊｐ", "tarou@日本語.jp"},
		{"internationalised domain, A-label", "tarou@xn--wgv71a119e.jp", "tarou@日本語.jp"},
		{"two dots, docomo", "a..b@docomo.ne.jp", "a..b@docomo.ne.jp"},
		{"two-dot leader, docomo", "a‥b@docomo.ne.jp", "a..b@docomo.ne.jp"},
		{"quoted two dots, docomo", `"a..b"@docomo.ne.jp`, "a..b@docomo.ne.jp"},
		{"typographically quoted two dots", "“a..b”@docomo.ne.jp", "a..b@docomo.ne.jp"},
		{"quoted without need", `"ab"@docomo.ne.jp`, "ab@docomo.ne.jp"},
		{"name and quoted form", `山田 <"a..b"@docomo.ne.jp>`, "a..b@docomo.ne.jp"},
		{"dot at the end, au", "ab.@ezweb.ne.jp", "ab.@ezweb.ne.jp"},
		{"dot at the beginning, au", ".ab@ezweb.ne.jp", ".ab@ezweb.ne.jp"},
		{"dot at the end, au's new domain", "ab.@au.com", "ab.@au.com"},
		{"two dots, iPhone", "a..b@i.softbank.jp", "a..b@i.softbank.jp"},
		{"hyphen first", "-ab-@docomo.ne.jp", "-ab-@docomo.ne.jp"},
		{"an ending nobody has is doubted, not refused", "tarou@gmail.con", "tarou@gmail.con"},
		{"longest local part", strings.Repeat("a", 64) + "@example.jp", strings.Repeat("a", 64) + "@example.jp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.in, err)
			}
			if got.String() != tt.want {
				t.Errorf("Parse(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestMailbox(t *testing.T) {
	tests := []struct{ name, in, mailbox, key string }{
		{"plain", "T.Y@Example.jp", "T.Y@example.jp", "t.y@example.jp"},
		{"two dots", "A..b@docomo.ne.jp", `"A..b"@docomo.ne.jp`, "a..b@docomo.ne.jp"},
		{"dot at the end", "ab.@ezweb.ne.jp", `"ab."@ezweb.ne.jp`, "ab.@ezweb.ne.jp"},
		{"dot at the beginning", ".ab@ezweb.ne.jp", `".ab"@ezweb.ne.jp`, ".ab@ezweb.ne.jp"},
		{"internationalised", "t@日本語.jp", "t@xn--wgv71a119e.jp", "t@xn--wgv71a119e.jp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if a.Mailbox() != tt.mailbox || a.Key() != tt.key {
				t.Errorf("mailbox %q, key %q; want %q, %q", a.Mailbox(), a.Key(), tt.mailbox, tt.key)
			}
		})
	}
}

// refused holds one input and more for every sentence; testdata/refused.golden
// shows what a person reads.
var refused = []string{
	"", " 　\n", "\u200b",
	"tarou", "tarou.example.co.jp", "山田太郎", "090-1234-5678",
	"tarou(at)example.co.jp", "tarou [at] example.co.jp", "tarouアットマークexample.co.jp",
	"@docomo.ne.jp", ".@docomo.ne.jp", "tarou@", "tarou@.",
	"tarou@@docomo.ne.jp", "tarou@docomo.ne.jp@gmail.com",
	"a@example.jp b@example.jp", "a@example.jp、b@example.jp",
	"taro yamada@example.jp", "tarou@docomo ne.jp", "taro,yamada@example.jp", "taro:yamada@example.jp",
	"tarou@example.jp 090-1234-5678",
	"山田tarou@example.jp", "たろう@example.jp", "josé@example.com", "\u3164tarou@example.jp",
	`ta\rou@example.jp`, `"a b"@example.jp`, "\"a\nb\"@example.jp", `a"b@example.jp`,
	"tarou@192.0.2.1", "tarou@[192.0.2.1]", "tarou@[IPv6:2001:db8::1]",
	"tarou@docomo", "tarou@localhost", "tarou@ne.jp", "tarou@gmail",
	"tarou@docomo..ne.jp", "tarou@exa_mple.jp", "tarou@-example.jp", "tarou@.example.jp", "tarou@xn--a.jp",
	"a..b@example.jp", "ab.@gmail.com", ".ab@softbank.ne.jp", "a..b@docomo.ne.jo", "ab.@ezewb.ne.jp", "a..b@gmial.com",
	strings.Repeat("a", 65) + "@example.jp",
	"t@" + strings.Repeat(strings.Repeat("a", 60)+".", 4) + "example.jp",
	"t@" + strings.Repeat("長", 400) + ".jp",
	"ta\x00rou@example.jp", "ta\x1brou@example.jp", "tarou@example.jp\xff", "\x8e\x52\x93\x63 t@example.jp",
	"<script>alert(1)</script>@example.jp",
	"tarou@example.jp\nRCPT TO:<x@example.com>",
	strings.Repeat("a", MaxInput+1),
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestParseRefuses(t *testing.T) {
	var got strings.Builder
	for _, in := range refused {
		a, err := Parse(in)
		var p *problem.Error
		if !errors.As(err, &p) {
			t.Errorf("Parse(%q) = %q, %v; want a *problem.Error", in, a, err)
			continue
		}
		fmt.Fprintf(&got, "%.60q\n  %s\n  %s\n  %s\n", in, p.Kind, p.Text.JA, p.Text.EN)
	}
	golden(t, "testdata/refused.golden", got.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update and read it:\n%s", file, diff)
	}
}

// A refusal may be logged, and logs hold no addresses.
func TestRefusalsHoldNoLocalPart(t *testing.T) {
	for _, in := range refused {
		_, err := Parse(in)
		if p := problem.Of(err)[0]; strings.Contains(p.Error(), "tarou") || strings.Contains(p.Text.JA, "tarou") {
			t.Errorf("Parse(%q): %v tells the address", in, p)
		}
	}
}

func TestParseList(t *testing.T) {
	both := []string{"a@example.jp", "b@docomo.ne.jp"}
	tests := []struct {
		name, in string
		want     []string
	}{
		{"empty", " \n", nil},
		{"one", "a@example.jp", both[:1]},
		{"ideographic comma", "a@example.jp、b@docomo.ne.jp", both},
		{"wide comma", "a@example.jp，b@docomo.ne.jp", both},
		{"comma", "a@example.jp, b@docomo.ne.jp,", both},
		{"semicolon", "a@example.jp; b@docomo.ne.jp;", both},
		{"wide semicolon", "a@example.jp；b@docomo.ne.jp", both},
		{"lines", "a@example.jp\r\n\r\nb@docomo.ne.jp\r\n", both},
		{"tab", "a@example.jp\tb@docomo.ne.jp", both},
		{"space", "a@example.jp b@docomo.ne.jp", both},
		{"wide space", "a@example.jp　b@docomo.ne.jp", both},
		{"wide slash", "a@example.jp／b@docomo.ne.jp", both},
		{"slash", "a@example.jp/b@docomo.ne.jp", both},
		{"slash between spaces", "a@example.jp / b@docomo.ne.jp", both},
		{"bar", "a@example.jp|b@docomo.ne.jp", both},
		{"names", "山田太郎 <a@example.jp>, 山田花子 <b@docomo.ne.jp>", both},
		{"last names first", "Yamada, Tarou <a@example.jp>; Yamada, Hanako <b@docomo.ne.jp>", both},
		{"notes", "a@example.jp（父）、b@docomo.ne.jp（母）", both},
		{"labels", "父：a@example.jp 母：b@docomo.ne.jp", both},
		{"mailto", "mailto:a@example.jp,b@docomo.ne.jp?subject=x", both},
		{"twice", "a@example.jp b@docomo.ne.jp A@example.jp", both},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseList(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func texts(addrs []Address) []string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return s
}

func TestParseListKeepsTheGoodOnes(t *testing.T) {
	got, err := ParseList("a@example.jp, たろう@example.jp, b@docomo.ne.jp, c@localhost")
	if diff := cmp.Diff([]string{"a@example.jp", "b@docomo.ne.jp"}, texts(got)); diff != "" {
		t.Errorf("good ones (-want +got)\n%s", diff)
	}
	var said []string
	for _, p := range problem.Of(err) {
		said = append(said, p.Text.EN)
	}
	want := []string{"Address 2: " + problemNotASCII.Text.EN, "Address 4: " + cutShort("localhost").Text.EN}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("problems (-want +got)\n%s", diff)
	}
}

func TestParseListRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     *problem.Error
	}{
		{"no address", "なし", problemNoAt},
		{"an entry without an at", "tarou, b@example.jp", problemStray},
		{"a last entry without an at", "b@example.jp, tarou", problemStray},
		{"stops between, which read as one domain", "a@example.jp。b@docomo.ne.jp", problemTwoAts},
		{"far too long", strings.Repeat("a@example.jp ", MaxListInput/12), problemTooLarge},
		{"not text", "%PDF-1.7\x00\x01 a@example.jp", problemControl},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseList(tt.in)
			if diff := cmp.Diff(problem.List{tt.want}, problem.Of(err)); diff != "" {
				t.Errorf("ParseList = %d addresses (-want +got)\n%s", len(got), diff)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, s := range map[string]string{"as stored": "tarou.yamada@example.co.jp", "as pasted": "山田　太郎 ＜tarou.yamada@example.co.jp＞"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
