package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// reachSchool is a child for each kind of trouble.
const reachSchool = "学年,組,氏名,メール1,メール2\n" +
	"1,1,無 連絡先,,\n1,1,一 連絡先,one@docomo.ne.jp,\n1,1,同 会社,a@gmail.com,b@gmail.com\n1,2,二 会社,c@gmail.com,d@docomo.ne.jp\n"

func TestReachFilters(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	o.refuse("d@docomo.ne.jp")
	o.pass(8 * 24 * time.Hour)
	c := o.signIn()
	all := []string{"無 連絡先", "一 連絡先", "同 会社", "二 会社"}
	for _, tt := range []struct {
		query string
		want  string // of all, which are found
	}{
		{"show=none", "無 連絡先"},
		{"show=one", "一 連絡先 二 会社"},
		{"show=operator", "同 会社"},
		{"show=refused", "二 会社"},
		{"show=unverified", "一 連絡先 同 会社 二 会社"},
		{"show=unverified&days=8", "一 連絡先 同 会社 二 会社"},
		{"show=unverified&days=9", ""},
		{"show=silent", ""},
		{"show=one&q=docomo", "一 連絡先 二 会社"},
		{"show=one&q=c@gmail", "二 会社"},
		{"q=同会社", "同 会社"},
		{"show=nonsense&q=gmail", "同 会社 二 会社"},
		{"show=one&from=-5", "一 連絡先 二 会社"},
		{"show=one&from=999", ""},
	} {
		t.Run(tt.query, func(t *testing.T) {
			a := o.visit(c, reachPath+"?"+tt.query)
			if a.StatusCode != http.StatusOK {
				t.Fatalf("status %d", a.StatusCode)
			}
			for _, name := range all {
				if found := strings.Contains(a.body, "<h3>"+name); found != strings.Contains(tt.want, name) {
					t.Errorf("%s is found: %v", name, found)
				}
			}
		})
	}
	o.holds(o.visit(c, reachPath+"?show=refused"), "メール会社が受け取りを拒否しました", "直す・もう一度招待する")
}

// TestRefusedCopiesInWords: what an operator said of an alert's copy stands at the
// address, in words, also where the address is still told.
func TestRefusedCopiesInWords(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	c := o.signIn()
	for class, says := range map[judge.Class]string{judge.Full: "メールボックスがいっぱい", judge.Filtered: "受信設定（迷惑メール対策）", judge.Unknown: "そのようなアドレスはない"} {
		family, contact := o.contactOf("one@docomo.ne.jp")
		o.must(o.server.Roster.EditContacts(t.Context(), "s1", family, func(k *roster.Contact) bool {
			k.State, k.Refusal, k.RefusedAt = roster.Verified, class, o.clock()
			return k.ID == contact
		}))
		o.holds(o.visit(c, reachPath+"?show=refused"), "一 連絡先", "最近拒否", says)
		o.holds(o.visit(c, reachPath+"/"+o.group("1年1組")), "最近拒否", says)
	}
}

// refuse has an operator refuse an address.
func (o *office) refuse(mail string) {
	o.t.Helper()
	place, err := o.server.Roster.FindByAddress(o.t.Context(), "s1", mail)
	o.must(err)
	o.must(o.server.Roster.EditContacts(o.t.Context(), "s1", place.Family, func(c *roster.Contact) bool {
		if c.ID == place.Contact {
			c.State = roster.Refused
		}
		return c.ID == place.Contact
	}))
}

func TestWhoWasInvited(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	c := o.signIn()
	class := o.group("1年1組")
	invite := func(rows, sure string) answer {
		return o.submit(c, reachPath+"/"+class+"/invite", url.Values{"rows": {rows}, "sure": {sure}})
	}
	o.holds(invite("無 連絡先 new@docomo.ne.jp\nopen@gmail.com", ""), "招待しました")
	a := o.visit(c, reachPath+"/invited")
	o.holds(a, "new@docomo.ne.jp", "open@gmail.com", "無 連絡先", "学校から招待", o.me.Name, "送信待ち")
	if a := o.visit(c, reachPath+"/invited?state=confirmed"); strings.Contains(a.body, "new@docomo.ne.jp") {
		t.Error("what waits is among what was confirmed")
	}
	if a := o.visit(c, reachPath+"/invited?state=queued&q=無連絡先"); !strings.Contains(a.body, "new@docomo.ne.jp") || strings.Contains(a.body, "open@gmail.com") {
		t.Error("a child's name does not find the invitation")
	}
}

// TestDoubtsOfTheOffice: an office's address, a list's or one with a typing error is
// asked about before it is invited, in both forms of the office.
func TestDoubtsOfTheOffice(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	c := o.signIn()
	class := o.group("1年1組")
	for mail, says := range map[string]string{
		"info@example.jp": "窓口や自動送信用", "office@example.jp": "窓口や自動送信用", "pta-ml@example.jp": "メーリングリスト",
		"subscribe@example.jp": "メーリングリスト", "x@ml.example.jp": "メーリングリスト", "y@gmial.com": "ではありませんか",
	} {
		t.Run(mail, func(t *testing.T) {
			a := o.submit(c, reachPath+"/"+class+"/invite", url.Values{"rows": {"無 連絡先 " + mail}})
			o.holds(a, says, "要確認", `name="sure"`)
			family, contact := o.contactOf("one@docomo.ne.jp")
			fix := url.Values{"family": {family}, "contact": {contact}, "address": {mail}}
			if a := o.submit(c, reachPath+"/"+class+"/fix", fix); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, says) || !strings.Contains(a.body, `name="sure" value="`+mail+`"`) {
				t.Errorf("fixing: status %d", a.StatusCode)
			}
		})
	}
	o.holds(o.submit(c, reachPath+"/"+class+"/invite", url.Values{"rows": {"無 連絡先 info@example.jp"}, "sure": {"1"}}), "招待しました")
	family, contact := o.contactOf("one@docomo.ne.jp")
	fix := url.Values{"family": {family}, "contact": {contact}, "address": {"office@example.jp"}, "sure": {"office@example.jp"}}
	if a := o.submit(c, reachPath+"/"+class+"/fix", fix); a.StatusCode != http.StatusSeeOther {
		t.Errorf("fixing what is meant: status %d", a.StatusCode)
	}
}

func (o *office) contactOf(mail string) (family, contact string) {
	o.t.Helper()
	place, err := o.server.Roster.FindByAddress(o.t.Context(), "s1", mail)
	o.must(err)
	return place.Family, place.Contact
}

// TestAskStill: the office has a confirmed address asked of which nothing was heard lately.
func TestAskStill(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	family, contact := o.contactOf("one@docomo.ne.jp")
	o.must(o.server.Roster.EditContacts(t.Context(), "s1", family, func(c *roster.Contact) bool { c.State = roster.Verified; return true }))
	class := o.group("1年1組")
	ask := url.Values{"family": {family}, "contact": {contact}}
	c := o.signIn()
	if a := o.visit(c, reachPath+"/"+class); strings.Contains(a.body, "まだ届くか確かめる") {
		t.Error("an address that was confirmed just now can be asked")
	}
	o.pass(100 * 24 * time.Hour)
	c = o.signIn()
	o.holds(o.visit(c, reachPath+"/"+class), "まだ届くか確かめる")
	for range 2 { // a double click
		if a := o.submit(c, reachPath+"/"+class+"/ask", ask); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
	o.holds(o.visit(c, reachPath+"/"+class), "届くかどうかを確かめています")
	if joins, err := o.server.Enrol.Joins(t.Context(), "s1"); err != nil || len(joins) != 1 {
		t.Errorf("%d mails are due, %v", len(joins), err)
	}
	if a := o.submit(c, reachPath+"/"+class+"/ask", url.Values{"family": {family}, "contact": {"x"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("a contact that is none: status %d", a.StatusCode)
	}
}

// TestUnlink: a guardian is taken off one child, and kept for the other.
func TestUnlink(t *testing.T) {
	o := newOffice(t)
	o.load("組,氏名,保護者,メール\n1-1,山,恵,one@docomo.ne.jp\n1-2,川,学,two@docomo.ne.jp\n1-1,山,学,two@docomo.ne.jp\n")
	family, contact := o.contactOf("two@docomo.ne.jp")
	f, err := o.server.Roster.Family(t.Context(), "s1", family)
	o.must(err)
	child := f.Children[slices.IndexFunc(f.Children, func(c roster.Child) bool { return c.Name == "山" })].ID
	class := o.group("1年1組")
	c := o.signIn()
	o.holds(o.visit(c, reachPath+"/"+class+"?remove="+contact), "川の保護者でもあります", "山からだけ外す")
	_, own := o.contactOf("one@docomo.ne.jp")
	if a := o.visit(c, reachPath+"/"+class+"?remove="+own); strings.Contains(a.body, "からだけ外す") {
		t.Error("the guardian of one child can be taken off that one only")
	}
	for range 2 { // a double click
		if a := o.submit(c, reachPath+"/"+class+"/remove", url.Values{"family": {family}, "contact": {contact}, "child": {child}, "only": {"1"}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
	if a := o.visit(c, reachPath+"/"+class); strings.Contains(a.body, "two@docomo.ne.jp") || !strings.Contains(a.body, "one@docomo.ne.jp") {
		t.Error("the guardian is still the child's")
	}
	o.holds(o.visit(c, reachPath+"/"+o.group("1年2組")), "two@docomo.ne.jp")
}

// TestRemoveContact: the office takes an address out that was confirmed, and only when it
// was asked back.
func TestRemoveContact(t *testing.T) {
	o := newOffice(t)
	o.load(reachSchool)
	family, contact := o.contactOf("one@docomo.ne.jp")
	o.must(o.server.Roster.EditContacts(t.Context(), "s1", family, func(c *roster.Contact) bool { c.State = roster.Verified; return true }))
	class := o.group("1年1組")
	c := o.signIn()
	remove := url.Values{"family": {family}, "contact": {contact}}
	if a := o.visit(c, reachPath+"/"+class); strings.Contains(a.body, `action="/reach/`+class+`/remove"`) {
		t.Error("it is not asked back")
	}
	o.holds(o.visit(c, reachPath+"/"+class+"?remove="+contact), "one@docomo.ne.jp を名簿から外しますか", `action="/reach/`+class+`/remove"`)
	for range 2 { // a double click
		if a := o.submit(c, reachPath+"/"+class+"/remove", remove); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
	if a := o.visit(c, reachPath+"/"+class); strings.Contains(a.body, "one@docomo.ne.jp") {
		t.Error("the address is still there")
	}
}

// TestReachOnItsFirstDay: one score is told once, and as of its day.
func TestReachOnItsFirstDay(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	score := enrol.Score{Day: "2026-04-06", Children: 3}
	o.must(o.table.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "school/" + o.me.School + "/reach", Sort: score.Day}, Value: table.Encode(score)}))
	c := o.signIn()
	for lang, want := range map[string]string{"ja": "2026-04-06 は 0%。記録は毎日一回", "en": "0% on 2026-04-06. It is recorded once a day"} {
		if a := o.visit(c, reachPath+"?lang="+lang); strings.Count(a.body, "2026-04-06 は")+strings.Count(a.body, "on 2026-04-06") != 1 || !strings.Contains(a.body, want) {
			t.Errorf("not %q, once", want)
		}
	}
}
