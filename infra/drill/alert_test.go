package drill

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// class is a small school: most scenarios need no more.
func (d *Drill) class(n int) []Pupil {
	d.Helper()
	pupils := Pupils(n)
	d.Import(Sheet(pupils), "")
	return pupils
}

func tellTheSchool(d *Drill) {
	pupils := d.class(700)
	id := d.Send(Alert{Subject: "地震のため、お迎えをお願いします"})
	mails := d.Arrive("地震のため、お迎えをお願いします", Addresses(pupils...)...)
	for _, m := range mails {
		d.checkMail(m)
	}
	s := d.Settle(id)
	d.equal("copies that left", s.left(), int64(len(mails)))
	d.equal("copies", s.Copies["total"], int64(len(mails)))
	d.equal("copies sent again", s.SentAgain, int64(0))
	d.equal("children", s.Children["total"], int64(len(pupils)))
	d.equal("children without a route", s.Children["no_route"], int64(len(unreachable(pupils))))
}

// morning is the whole story: a class list as it comes, an alert of which a part
// does not leave in time, and the newer one that replaces it.
func morning(d *Drill) {
	pupils := Pupils(700)
	d.Import(spoiled(pupils), "")
	pupils = without(pupils, faulty())
	held, others := split(Addresses(pupils...), isDocomo)
	d.Operator.Decide(docomo(PutOff))
	first := d.Send(Alert{Subject: "9時までに連絡をください", Useful: 30 * time.Minute})
	old := d.Arrive("9時までに連絡をください", others...)
	for i := 0; i < 200; i += 10 {
		d.press(old[others[i]], "無事です")
	}
	d.Advance(30 * time.Minute)
	s := d.Settle(first)
	d.equal("state of the first", s.State, "expired")
	d.equal("cancelled", s.Copies["cancelled"], int64(len(held)))
	d.recount(first, s)
	d.comparePage(first, s)

	d.Operator.Decide(nil)
	second := d.Send(Alert{Subject: "体育館に変わりました", Supersedes: first})
	mails := d.ArriveLater(10*time.Minute, "体育館に変わりました", Addresses(pupils...)...) // the lane has paused
	expired := d.NewBrowser().Open(old[others[0]].Link())
	expired.Says(http.StatusOK, "体育館に変わりました").Says(http.StatusOK, "このリンクからは回答できません")
	d.press(mails[held[0]], "無事です")
	s = d.Settle(second)
	d.equal("copies that left", s.left(), int64(len(held)+len(others)))
	d.recount(second, s)
	d.comparePage(second, s)
}

func unreachable(pupils []Pupil) []Pupil {
	return slices.DeleteFunc(slices.Clone(pupils), func(p Pupil) bool { return len(Addresses(p)) > 0 })
}

// checkMail checks what makes a mail arrive and be understood.
func (d *Drill) checkMail(m Mail) {
	d.Helper()
	lines := strings.SplitN(m.Text, "\n", 3)
	if !strings.Contains(lines[0], m.Subject) || !strings.Contains(lines[1], firstLine(instruction)) {
		d.Errorf("the first two lines do not say what to do:\n%s", m.Text)
	}
	if !strings.HasPrefix(m.Link(), d.URL+"/a/") || !strings.Contains(m.HTML, m.Link()) {
		d.Errorf("the link %q is not to %s/a/ in text and HTML", m.Link(), d.URL)
	}
	d.equal("From", m.From, school.Mail)
	d.equal("From's name", parse(d, m, "From").Name, school.Name)
	if to := parse(d, m, "Reply-To"); to.Name != manager.Name || !strings.HasSuffix(to.Address, "@"+InboundDomain) {
		d.Errorf("Reply-To: %v", to)
	}
	d.equal("Auto-Submitted", m.Headers["Auto-Submitted"], "auto-generated")
	if u := m.Headers["List-Unsubscribe"]; !strings.HasPrefix(u, "<") || !strings.HasSuffix(u, ">") {
		d.Errorf("List-Unsubscribe: %q", u)
	}
}

func firstLine(s string) string { return strings.Split(s, "\n")[0] }

func parse(d *Drill, m Mail, field string) mail.Address {
	d.Helper()
	a, err := mail.ParseAddress(m.Headers[field])
	if err != nil {
		d.Fatalf("%s %q: %v", field, m.Headers[field], err)
	}
	return *a
}

func (d *Drill) equal(what string, got, want any) {
	d.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func drillMark(d *Drill) {
	pupils := d.class(12)
	id := d.Send(Alert{Kind: "drill", Subject: "避難訓練"})
	mails := d.Arrive("【訓練】避難訓練", Addresses(pupils...)...)
	for _, m := range mails {
		d.checkMail(m)
		if !strings.HasPrefix(m.Text, "【訓練】") || !strings.Contains(m.HTML, "【訓練】") {
			d.Errorf("the text is not marked:\n%s", m.Text)
		}
		d.NewBrowser().Open(m.Link()).Says(http.StatusOK, "【訓練】避難訓練")
	}
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "【訓練】避難訓練")
}

func vanishedGroup(d *Drill) {
	pupils := d.class(12)
	var problem struct {
		Errors []struct{ Field, Detail string }
	}
	gone := Alert{Subject: "部活の連絡", Groups: []string{d.Groups()[0].ID, "group-gone"}}
	d.Call(Request{Method: "POST", Path: "/alerts", Body: gone.body(d.Clock.Now())}, http.StatusUnprocessableEntity, &problem)
	if len(problem.Errors) != 1 || problem.Errors[0].Field != "groups" || problem.Errors[0].Detail == "" {
		d.Errorf("the answer does not say that a group is gone: %+v", problem)
	}

	form := d.compose("部活の連絡")
	form.Values["groups"] = gone.Groups
	page := form.Press("確認").Says(http.StatusUnprocessableEntity, "見つかりません")
	again := page.Form("/alerts/preview")
	d.equal("subject", again.Values.Get("subject"), "部活の連絡")
	d.equal("body", again.Values.Get("body"), instruction)

	again.Values.Del("groups")
	again.Set("all", "1").Press("確認").Form("/alerts").Press("送信する")
	d.Advance(10 * time.Second)
	d.Arrive("部活の連絡", Addresses(pupils...)...)
}

// compose returns the form of a new alert, filled in but for whom it is for.
func (d *Drill) compose(subject string) *Form {
	d.Helper()
	form := d.Manager.Open("/alerts/new").Says(http.StatusOK, "新しい連絡").Form("/alerts/preview")
	return form.Set("subject", subject).Set("body", instruction).Set("remind_after", "")
}

func repeat(d *Drill) {
	pupils := d.class(12)
	a := Alert{Subject: "二度押しても一度だけ"}
	post := Request{Method: "POST", Path: "/alerts", Key: "double-click", Body: a.body(d.Clock.Now())}
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			_, body, err := call(d.URL, d.Token, post)
			if err != nil {
				body = []byte(err.Error())
			}
			ids <- string(body)
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if other := <-ids; other != first || !strings.Contains(other, `"id"`) {
			d.Errorf("the same request was answered with\n%s\nand\n%s", first, other)
		}
	}
	d.Arrive("二度押しても一度だけ", Addresses(pupils...)...)

	another := Alert{Subject: "別の内容"}
	post.Body = another.body(d.Clock.Now())
	d.Call(post, http.StatusConflict, nil)
}
