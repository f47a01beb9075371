package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// press answers by a mail's link, as a guardian does, and returns the page that
// the answer leads to.
func (d *Drill) press(m Mail, words string) *Page {
	d.Helper()
	form := d.NewBrowser().Open(m.Link()).Says(http.StatusOK, m.Subject[:strings.IndexAny(m.Subject+"（", "（")]).Form("/a/")
	return form.Press(words).Says(http.StatusOK, "回答を受け付けました")
}

// parent returns the first address of the first parent.
func (p Pupil) parent() string { return p.Parents[0].Addresses[0] }

func answer(d *Drill) {
	pupils := d.class(70)
	id := d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	d.press(mails[pupils[0].parent()], "全員") // and the sibling, pupil 1
	d.press(mails[pupils[6].Parents[0].Addresses[1]], "無事です")
	d.press(mails[pupils[8].Parents[1].Addresses[0]], "無事です")
	d.press(mails[pupils[12].parent()], "助けが必要です")
	const answered, help = 5, 1

	s := d.Settle(id)
	d.equal("answered", s.Children["answered"], int64(answered))
	d.equal("help", s.Children["help"], int64(help))
	d.equal("total", s.Children["total"], int64(len(pupils)))
	d.recount(id, s)
	d.comparePage(id, s)
	d.Manager.Open("/alerts/"+id+"/help").Says(http.StatusOK, pupils[12].Name)
	d.checkClass(id, pupils)
}

// recount counts the children one by one, and holds the counters against it.
func (d *Drill) recount(id string, s Status) {
	d.Helper()
	states, copies := map[string]int64{}, map[string]int64{}
	guardians := map[string]bool{}
	for _, c := range d.Children(id) {
		states["total"]++
		states[c.State]++
		if c.Answer != nil && c.Answer.Help {
			states["help"]++
		}
		for _, k := range c.Copies {
			moot := k.Round > 0 && k.State == "cancelled" // a reminder that nobody needs any more
			if !guardians[k.Guardian] && !moot {
				copies["total"]++
				copies[k.State]++
			}
		}
		for _, g := range c.Guardians { // a sibling's list holds the same copies
			guardians[g.ID] = true
		}
	}
	d.equal("children as counted", present(s.Children), states)
	d.equal("copies as counted", present(s.Copies), copies)
}

// present leaves out what there is none of.
func present(counts map[string]int64) map[string]int64 {
	some := map[string]int64{}
	for k, n := range counts {
		if n != 0 {
			some[k] = n
		}
	}
	return some
}

// comparePage holds the status page against the API.
func (d *Drill) comparePage(id string, s Status) {
	d.Helper()
	page := d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "児童生徒の状況")
	shown := map[string]int64{}
	for _, row := range page.Find("tr", "") {
		for n := range row.Descendants() {
			if state, ok := strings.CutPrefix(attr(n, "class"), "f-"); ok && state != "mark" {
				shown[state] = number(d, row)
			}
		}
	}
	states := present(s.Children)
	delete(states, "total")
	delete(states, "help")
	d.equal("the page's table of children", present(shown), states)
	figures := page.Find("li", "green")
	want := fmt.Sprintf("%d / %d", s.Children["answered"], s.Children["total"])
	if len(figures) == 0 || !strings.Contains(text(figures[0]), want) {
		d.Errorf("the page does not show %q", want)
	}
	if help := s.Children["help"]; help > 0 {
		page.Says(http.StatusOK, fmt.Sprintf("助けが必要：%d人", help))
	}
}

// number returns the number in the last cell of a row.
func number(d *Drill, row *html.Node) int64 {
	d.Helper()
	fields := strings.Fields(text(row))
	n, err := strconv.ParseInt(strings.ReplaceAll(fields[len(fields)-1], ",", ""), 10, 64)
	if err != nil {
		d.Fatal(err)
	}
	return n
}

// checkClass looks at the list of one class: who has not answered stands there
// with a number to call, the others apart.
func (d *Drill) checkClass(id string, pupils []Pupil) {
	d.Helper()
	page := d.Manager.Open("/alerts/"+id+"/classes/class-1-1").Says(http.StatusOK, "1年1組")
	calls := page.Find("a", "call")
	for i, p := range pupils {
		if p.Grade != 1 || p.Class != 1 {
			continue
		}
		page.Says(http.StatusOK, p.Name)
		listed := slices.ContainsFunc(calls, func(n *html.Node) bool { return attr(n, "href") == "tel:"+p.Parents[0].Phone })
		if !listed {
			d.Errorf("pupil %d is not listed with a number to call", i)
		}
	}
	open := page.Find("ul", "rows")[0]
	if strings.Contains(text(open), pupils[0].Parents[0].Phone) || !strings.Contains(text(open), pupils[12].Parents[0].Phone) {
		d.Errorf("the list of the class does not have those without an answer first:\n%s", text(open))
	}
}

func openOnly(d *Drill) {
	pupils := d.class(12)
	id := d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	before := d.Settle(id)
	b := d.NewBrowser()
	for _, m := range mails {
		b.Open(m.Link()).Says(http.StatusOK, "回答してください")
		b.Do(http.MethodGet, m.Link(), map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"})
		if p := b.Do(http.MethodHead, m.Link(), nil); p.Status != http.StatusOK || p.Body != "" {
			d.Errorf("HEAD: status %d, %d bytes", p.Status, len(p.Body))
		}
		child := b.Open(m.Link()).Form("/a/").button("無事です")
		b.Open(m.Link() + "?" + attr(child, "name") + "=" + attr(child, "value"))
	}
	d.equal("the status after links were only opened", d.Status(id), before)
}

func answerAgain(d *Drill) {
	pupils := d.class(12)
	id := d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	m := mails[pupils[2].parent()]
	d.press(m, "無事です")
	d.equal("help", d.Status(id).Children["help"], int64(0))
	page := d.press(m, "助けが必要です")
	page.Says(http.StatusOK, "助けが必要です")
	s := d.Settle(id)
	d.equal("answered", s.Children["answered"], int64(1))
	d.equal("help", s.Children["help"], int64(1))
	d.press(m, "無事です")
	s = d.Status(id)
	d.equal("answered", s.Children["answered"], int64(1))
	d.equal("help", s.Children["help"], int64(0))
	d.recount(id, s)
}

func passOn(d *Drill) {
	pupils := d.class(12)
	id := d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	m := mails[pupils[2].parent()]
	own := d.NewBrowser().Open(m.Link())
	var shared string
	for _, a := range own.Find("a", "") {
		if strings.Contains(attr(a, "href"), "/r/") {
			shared = attr(a, "href")
		}
	}
	b := d.NewBrowser()
	page := b.Open(shared).Says(http.StatusOK, firstLine(instruction))
	if len(page.Find("form", "")) > 0 || strings.Contains(page.Text(), pupils[2].Name) {
		d.Errorf("the page that was passed on has a form or names the child:\n%s", page.Text())
	}
	// Neither its own address nor its token in a link to answer takes an answer.
	form := own.Form("/a/")
	for _, address := range []string{shared, strings.Replace(shared, "/r/", "/a/", 1)} {
		answered := b.send(http.MethodPost, address, strings.NewReader(form.Values.Encode()),
			map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		if answered.Status < 400 {
			d.Errorf("an answer by a page that was passed on: status %d", answered.Status)
		}
	}
	d.equal("answered", d.Settle(id).Children["answered"], int64(0))
}

func unknownLink(d *Drill) {
	pupils := d.class(12)
	d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	link := mails[pupils[2].parent()].Link()
	at := strings.LastIndex(link, "/") + 1
	flipped := []byte(link)
	flipped[at+8] ^= 1
	for name, address := range map[string]string{
		"cut off":   link[:len(link)-4],
		"one bit":   string(flipped),
		"made up":   d.URL + "/a/" + strings.Repeat("A", len(link)-at),
		"very long": d.URL + "/a/" + strings.Repeat("A", 4000),
	} {
		page := d.NewBrowser().Open(address)
		if page.Status != http.StatusNotFound || !strings.Contains(page.Text(), "リンクが正しくありません") {
			d.Errorf("%s: status %d: %s", name, page.Status, page.Text())
		}
		page.Says(http.StatusNotFound, school.Phone)
	}
}
