package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

// callers are two people at one call desk, each with a browser.
type callers struct {
	*office
	alert     string
	colleague staff.Staff
	a, b      *tab
}

func (c *callers) desk() string { return "/alerts/" + c.alert + "/desk" }

func newCallers(t testing.TB) *callers {
	t.Helper()
	c := &callers{office: newOffice(t)}
	c.alert = c.send(nil)
	var err error
	c.colleague, err = c.Staff.PutStaff(t.Context(), staff.Staff{
		School: c.manager.School, Role: staff.Manager, Name: "佐藤 先生", Mail: "sato@demo.example.jp",
	})
	c.must(err)
	c.a, c.b = newPerson(t, c.URL(), phone), newPerson(t, c.URL(), desktop)
	c.signIn(c.a, c.manager)
	c.signIn(c.b, c.colleague)
	c.a.goTo(c.desk())
	c.b.goTo(c.desk())
	return c
}

// online has a person's connection work, or not.
func (b *tab) online(yes bool) {
	b.Helper()
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: !yes, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: !yes, DownloadThroughput: -1, UploadThroughput: -1})
}

// next takes the next family and returns the path of its page.
func (b *tab) next() string {
	b.Helper()
	b.follow("次の家庭に電話する")
	b.says("あなたが対応中です")
	path, _, _ := strings.Cut(b.path(), "?")
	return path
}

// answerAt answers for all children of the family whose page has the path.
func (c *callers) answerAt(path, choice string) {
	c.Helper()
	part := strings.Split(path, "/") // "", alerts, id, families, class, family
	ref := alert.Ref{Alert: part[2], Class: part[4], Family: part[5]}
	f, err := c.Alerts.Family(c.Context(), ref)
	c.must(err)
	a, err := c.Alerts.Alert(c.Context(), part[2])
	c.must(err)
	choices := map[string]string{}
	for _, i := range f.Answerable(0) {
		choices[f.Children[i].ID] = choice
	}
	c.must(c.Alerts.Answer(c.Context(), a, alert.AnswerRequest{Ref: ref, Guardian: 0, By: f.Guardians[0].ID, Way: alert.ByLink, Choices: choices}))
}

// Two people phone from one list: nobody has the other's family, an answer takes a
// family off both screens, and a family can be handed over.
func TestCallDesk(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	first := c.a.next()
	c.b.says("が対応中")
	if second := c.b.next(); second == first {
		t.Fatal("both have the same family in hand")
	}
	since := time.Now()
	c.answerAt(first, "safe")
	c.a.says("電話は不要です")
	t.Logf("an answer was on the screen %d ms after it was stored", time.Since(since).Milliseconds())

	c.b.touch("ほかの人に引き継ぐ")
	run[bool](c.b, `(s => { s.value = [...s.options].at(-1).value; return true; })(document.getElementById("to"))`)
	c.b.follow("引き継ぐ")
	c.a.goTo(c.desk())
	c.a.says("佐藤 先生さんから引き継ぎ")
}

// What is entered without a connection is kept, sent by itself when there is one, and
// asked about if a guardian has answered in the meantime.
func TestCallDeskWithoutConnection(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	c.a.next()
	c.a.online(false)
	c.a.endsCall("no_reply", "留守番電話")
	c.a.says("この端末に保存しました")
	c.b.until("the colleague knows nothing of it", `!document.body.innerText.includes("留守番電話")`)
	c.a.online(true)
	c.a.until("it was sent by itself", `document.getElementById("kept").hidden`)
	c.a.goTo(c.desk())

	family := c.a.next()
	c.a.online(false)
	c.a.endsCall("answered", "")
	c.a.says("この端末に保存しました")
	c.answerAt(family, "help")
	c.a.online(true)
	c.a.says("まだ記録されていません")
	c.a.follow("開いて確認する")
	c.a.says("助けが必要")
	c.a.until("what was entered stands in the form", `document.querySelector("[name=outcome][value=answered]").checked`)
	c.a.until("nothing says not to phone", `!(document.getElementById("settled")?.offsetHeight > 0)`)
	c.a.leave(func() { c.a.touch("それでも記録する") })
	c.a.until("nothing is kept any more", `document.getElementById("kept").hidden`)
	c.a.goTo(family)
	c.a.says("電話：状況を聞いた")
}

// TestOvertakenCall enters a call where a colleague was told something else a moment ago: the
// page says who and what, once, and asks. What is not recorded leaves nothing on the device.
func TestOvertakenCall(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	family := c.a.next()
	c.b.goTo(family)
	c.a.endsCall("answered", "")
	c.a.until("it is recorded", "location.pathname.endsWith('/desk')")
	c.b.endsCall("answered", "けがをして病院へ向かっている")
	c.b.says("別の回答が届きました：" + c.manager.Name + "さんの電話「無事です」")
	const count = `document.body.innerText.split("別の回答が届きました").length - 1`
	if n := run[int](c.b, count); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	c.b.until("nothing says not to phone", `!(document.getElementById("settled")?.offsetHeight > 0)`)
	names := run[string](c.b, `document.querySelector("form[data-keep]").dataset.keep`)
	c.b.goTo(c.desk())
	c.b.says("まだ記録されていません。確認が必要です： " + names)
	c.b.follow("開いて確認する")
	c.b.follow("記録しない")
	c.b.until("nothing is kept any more", `document.getElementById("kept").hidden`)
	c.b.goTo(family)
	if strings.Contains(run[string](c.b, "document.querySelector('table').textContent"), "病院") {
		t.Error("what was given up is recorded")
	}
}

// TestSharedComputer: what somebody entered without a connection waits for that person, also
// when another signs in there first.
func TestSharedComputer(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	family := c.a.next()
	c.a.online(false)
	c.a.endsCall("no_reply", "留守番電話")
	c.a.says("この端末に保存しました")
	call(c.a, network.ClearBrowserCookies, cdp.Empty{}) // the session ends
	c.a.online(true)
	c.signIn(c.a, c.colleague)
	c.a.goTo(c.desk())
	c.a.says(c.manager.Name + "さんが入力しました")
	c.a.goTo(family)
	c.a.says(c.manager.Name + "さんが入力しました")
	if strings.Contains(run[string](c.a, "document.querySelector('table')?.textContent || ''"), "留守番電話") {
		t.Error("another person's entry was sent")
	}
	c.signIn(c.a, c.manager)
	c.a.goTo(c.desk())
	c.a.until("it was sent by itself", `document.getElementById("kept").hidden`)
	c.a.goTo(family)
	c.a.until("it is the person's own", `[...document.querySelectorAll("tr")].some((row) => row.textContent.includes("留守番電話") && row.textContent.includes(`+quote(c.manager.Name)+`))`)
}

// endsCall enters how a call ended, and presses the button.
func (b *tab) endsCall(outcome, note string) {
	b.Helper()
	run[bool](b, `(() => {
		document.querySelector("[name=outcome][value=`+outcome+`]").click();
		document.querySelectorAll("[name^=choice_][value=safe]").forEach((e) => e.click());
		return true;
	})()`)
	if note != "" {
		b.write("note", note)
	}
	b.touch("記録する")
}
