package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

// callers are two people at one call desk, each with a browser.
type callers struct {
	*office
	alert string
	a, b  *tab
}

func (c *callers) desk() string { return "/alerts/" + c.alert + "/desk" }

func newCallers(t testing.TB) *callers {
	t.Helper()
	c := &callers{office: newOffice(t)}
	c.alert = c.send(nil)
	colleague, err := c.Staff.PutStaff(t.Context(), staff.Staff{
		School: c.manager.School, Role: staff.Manager, Name: "佐藤 先生", Mail: "sato@demo.example.jp",
	})
	c.must(err)
	c.a, c.b = newPerson(t, c.URL(), phone), newPerson(t, c.URL(), desktop)
	c.signIn(c.a, c.manager)
	c.signIn(c.b, colleague)
	c.a.goTo(c.desk())
	c.b.goTo(c.desk())
	return c
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
