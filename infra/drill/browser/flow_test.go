package browser

import (
	"strings"
	"testing"
	"time"
)

// strangersTime is within what a stranger is to send an alert to the demo school,
// take it back, send it after all, answer it twice and see both answers.
const strangersTime = 2 * time.Minute

// TestAlert does so on a telephone, from the printed link on.
func TestAlert(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			s := &stranger{o: o, b: newPerson(t, o.URL(), phone), scripts: scripts}
			if !scripts {
				s.b.withoutScripts()
			}
			s.sendsAlert()
			s.answersAsGuardian()
			t.Logf("\n%v", s.b.story)
			if took := s.b.story.time(); took > strangersTime {
				t.Errorf("it takes a person %v, not %v", took, strangersTime)
			}
		})
	}
}

// stranger is somebody who has never seen Todoku.
type stranger struct {
	o       *office
	b       *tab
	scripts bool
	alert   string // path of the status page
}

func (s *stranger) sendsAlert() {
	s.b.goTo(s.o.signInLink(s.o.manager))
	s.b.follow("サインインする")
	s.b.follow("新しい連絡を作る")
	s.b.write("subject", "大雨のためお迎えをお願いします")
	s.b.write("body", "体育館へお迎えをお願いします。\n15時までに。")
	s.b.touch("全校")
	s.b.follow("確認画面へ進む")
	s.b.says("大雨のためお迎えをお願いします")
	s.b.follow("を送信する（全校・301人）")
	s.undoes()
	s.b.follow("内容を直して送る")
	s.b.follow("確認画面へ進む")
	s.b.follow("を送信する（全校・301人）")
	s.o.advance(10 * time.Second)
	s.alert = s.b.path()
}

// undoes takes the alert back while the seconds are counted.
func (s *stranger) undoes() {
	s.b.says("まだ1通も送っていません")
	const left = "Number(document.querySelector('[data-left]').innerText)"
	if first := run[int](s.b, left); first > 10 || first < 1 {
		s.b.Errorf("it can be undone for %d seconds, not 10", first)
	}
	if s.scripts {
		s.b.pass(time.Second)
		s.b.until("the seconds are counted", left+" === 9")
	}
	s.b.follow("送信を取り消す")
	s.b.says("誰にも送っていません")
	if n := len(s.o.Inbox.List()); n > 0 {
		s.b.Errorf("%d mails were sent all the same", n)
	}
}

// answersAsGuardian answers as two guardians, while the status page is open.
func (s *stranger) answersAsGuardian() {
	board := s.b.newTab()
	if !s.scripts {
		board.withoutScripts()
	}
	board.goTo(s.alert)
	board.until("nobody has answered", answered+" === '0'")
	run[bool](board, "document.unmoved = true")
	s.answers("無事です")
	s.seesNews(board, "the answer is counted", answered+" === '1'")
	s.seesNews(board, "its class has the answer", `[...document.querySelectorAll("[aria-labelledby=classes-title] .tiles b")].some(e => e.innerText.startsWith("1 /"))`)
	s.answers("助けが必要です")
	s.seesNews(board, "help is what the page begins with", `document.querySelector("[role=alert]")?.innerText.includes("助けが必要：1人")
		&& document.querySelector("[role=alert] a").getBoundingClientRect().bottom + scrollY < 740`)
}

// answered is how many children are answered for, as the status page shows it.
const answered = `document.querySelector(".figures .lead b").firstChild.data.trim()`

// seesNews waits for news on a page that nobody touches. With scripts only a part
// of the page changes; without, the browser loads it anew.
func (s *stranger) seesNews(board *tab, what, script string) {
	s.b.Helper()
	begun := time.Now()
	board.until(what, script)
	s.b.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
	if stayed := board.asked("document.unmoved === true"); stayed != s.scripts {
		s.b.Errorf("the page stayed: %v, with scripts: %v", stayed, s.scripts)
	}
}

// answers follows the link in a mail for one child that nobody has answered for.
func (s *stranger) answers(words string) {
	s.b.Helper()
	id := strings.TrimPrefix(strings.Split(s.alert, "?")[0], "/alerts/")
	link := s.o.linkTo(s.o.links(id), func(page string) bool {
		return !strings.Contains(page, `name="all"`) && !strings.Contains(page, "回答を受け付けました")
	})
	s.b.goTo("/inbox")
	s.b.story.pressed("（アドレスに /inbox と入力）")
	s.b.follow("href=" + link)
	s.b.follow(words)
	s.b.says("回答を受け付けました")
}
