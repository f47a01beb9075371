package browser

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// pupilsNextDoor is how many of the demo school's children have the same families at
// another school.
const pupilsNextDoor = 30

// asksAt keeps in a page what its scripts ask the server for, when they have the answer,
// and for how long news.js waits: "ask /path", "got /path", "wait 1000".
const asksAt = `(() => {
	window.asks = [];
	const ask = fetch, wait = setTimeout;
	window.fetch = async (to, ...more) => {
		asks.push("ask " + to);
		try { return await ask(to, ...more); } finally { asks.push("got " + to); }
	};
	window.setTimeout = (f, ms, ...more) => {
		if (f.name === "look") asks.push("wait " + ms);
		return wait(f, ms, ...more);
	};
})()`

// nextDoor founds another school of the demo school's district, with some of the same
// families, and sends an alert to them.
func (o *office) nextDoor() (alertID string) {
	o.Helper()
	v := roster.School{
		ID: o.Alerts.IDs.New(), Name: "見本市立となり中学校", Mail: "anzen@tonari.example.jp",
		Phone: "03-0000-0003", Zone: "Asia/Tokyo", District: "見本市",
	}
	o.must(o.Roster.PutSchool(o.Context(), v))
	m, err := o.Staff.PutStaff(o.Context(), staff.Staff{School: v.ID, Role: staff.Manager, Name: "教頭 となり", Mail: "kyoto@tonari.example.jp"})
	o.must(err)
	there := *o
	there.manager = m
	there.token, err = o.DemoToken(o.Context(), m)
	o.must(err)
	csv, _ := roster.Demo(1)
	lines := bytes.SplitAfterN(csv, []byte("\n"), pupilsNextDoor+2)
	req, err := http.NewRequest("POST", o.URL()+"/api/v1/roster", bytes.NewReader(bytes.Join(lines[:pupilsNextDoor+1], nil)))
	o.must(err)
	req.Header.Set("Authorization", "Bearer "+there.token)
	res, err := http.DefaultClient.Do(req)
	o.must(err)
	o.must(res.Body.Close())
	if res.StatusCode != http.StatusOK {
		o.Fatalf("the roster next door: %s", res.Status)
	}
	return there.send(nil)
}

// Two people of the district phone from one list: what one has in hand the other sees, at
// all schools, and an answer takes the family off both screens as soon as it is stored.
func TestDistrictDesk(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	officer := o.newOfficer()
	colleague, err := o.Staff.PutStaff(t.Context(), staff.Staff{School: officer.School, District: officer.District, Role: staff.District, Name: "佐藤 主事", Mail: "sato@city.example.jp"})
	o.must(err)
	o.send(nil)
	o.nextDoor()
	c := &callers{office: o, a: newPerson(t, o.URL(), phone), b: newPerson(t, o.URL(), desktop)}
	for who, b := range map[*staff.Staff]*tab{&officer: c.a, &colleague: c.b} {
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: asksAt})
		o.signIn(b, *who)
		b.goTo("/district/desk")
		b.says("複数の学校にまたがる家庭")
	}
	c.takesHousehold()
	c.answersOff()
}

// takesHousehold: a claim in one browser is seen in the other, which gets another family.
func (c *callers) takesHousehold() {
	c.Helper()
	first := c.a.next()
	c.b.until("the colleague sees who has the family", onList(first)+"?.innerText.includes('指導主事 見本さんが対応中')")
	second := c.b.next()
	if first == second {
		c.Fatal("both have the same family in hand")
	}
	c.b.leave(func() { c.b.touch("かけずに一覧へ戻す") })
	c.b.until("the family is free again", onList(second)+" && !"+onList(second)+".innerText.includes('対応中')")
}

// onList is the row of a household on the district's list.
func onList(path string) string {
	return "document.getElementById(" + quote("f-"+path[strings.LastIndex(path, "/")+1:]) + ")"
}

// answersOff: a family of two schools is in one person's hands and on the other's list.
// When it has answered at both it leaves both screens. That this takes less than two
// seconds is told from what the pages ask for, which no slow machine can change: between
// two looks for news there is one second, and the first look that begins after the answer
// was stored is followed by the list.
func (c *callers) answersOff() {
	c.Helper()
	path := c.a.path()
	families := strings.Split(path[strings.LastIndex(path, "/")+1:], ",")
	if len(families) != 2 {
		c.Fatalf("the most pressing household is of %d schools", len(families))
	}
	c.answerAt(member(families[0]), "safe")
	c.a.says("回答あり・電話不要")
	rest := onList("/" + families[1])
	c.b.until("it is still to be phoned for the other school", rest+"?.innerText.includes('指導主事 見本さんが対応中')")
	gone := map[*tab]string{c.a: "document.getElementById('settled')", c.b: "!" + rest}
	for b, script := range gone {
		run[bool](b, `!document.addEventListener("swapped", () => asks.push(`+script+` ? "off" : "on"))`)
	}
	since := time.Now()
	c.answerAt(member(families[1]), "safe")
	stored := map[*tab]int{c.a: run[int](c.a, "asks.push('stored')"), c.b: run[int](c.b, "asks.push('stored')")}
	c.a.says("どの学校にも回答が届いています")
	c.b.until("the family is off the list", gone[c.b])
	c.Logf("an answer was on both screens %d ms after it was stored", time.Since(since).Milliseconds())
	for b, at := range stored {
		b.followedNews(at)
	}
}

// member is the path of a family whose name in a household's address this is.
func member(name string) string {
	ids := strings.Split(name, ".")
	return "/alerts/" + ids[0] + "/families/" + ids[1] + "/" + ids[2]
}

// followedNews fails unless the page looks for news once a second, and what took the
// family off it was asked for no later than after the first look since the answer was
// stored. What is on its way then may be older, and is asked for once more.
func (b *tab) followedNews(stored int) {
	b.Helper()
	asks := run[[]string](b, "asks")
	for _, a := range asks {
		if ms, is := strings.CutPrefix(a, "wait "); is && ms != "1000" {
			b.Errorf("the page waits %s ms before it looks for news", ms)
		}
	}
	is := func(a, what string, news bool) bool {
		return strings.HasPrefix(a, what+" /district/desk") && strings.Contains(a, "/version?") == news
	}
	asked := slices.Index(asks, "off")
	for asked >= 0 && !is(asks[asked], "ask", false) {
		asked--
	}
	if asked < 0 {
		b.Fatalf("nothing took the family off the page: %q", asks)
	}
	looks, loading := 0, false
	for i, a := range asks[:asked] {
		switch {
		case is(a, "ask", false):
			loading = true
		case is(a, "got", false):
			loading = false
		case i >= stored && !loading && is(a, "ask", true):
			looks++
		}
	}
	if looks > 1 {
		b.Errorf("the page looked %d times before it loaded its list: %q", looks, asks)
	}
}
