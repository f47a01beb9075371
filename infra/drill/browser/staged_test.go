package browser

import (
	"strings"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// staged is a machine with alerts in every state, and links to their pages.
type staged struct {
	*office
	status, undo, drill, over, past string // alerts
	group                           string // a class

	one, siblings, answered, drillLink string // paths of answer pages
	ended, closed, newer, notAsked     string
	read                               string

	registers func() []stop // the pages of registration, made once
}

// stage makes them, in the order in which the clock allows: it ends half an hour
// after the alert whose status page is looked at.
func stage(o *office) *staged {
	s := &staged{office: o}
	s.registers = sync.OnceValue(s.registration)
	first := []string{o.class("1年1組")}
	ended := o.send(fields{"groups": first, "useful_until": o.clock.Now().Add(30 * time.Minute).Format(time.RFC3339)})
	closed := o.send(fields{"groups": first, "kind": "notice", "subject": "明日の遠足は予定どおり行います"})
	o.api("POST", "/alerts/"+closed+"/close", fields{}, nil)
	old := o.send(fields{"groups": first, "subject": "お迎えは体育館へ"})
	o.send(fields{"groups": first, "subject": "お迎えは校庭へ", "supersedes": old})
	others := o.send(fields{"groups": first, "subject": "1年1組だけの連絡"})
	o.send(fields{"groups": []string{o.class("3年3組")}, "subject": "3年3組だけの連絡", "supersedes": others})
	s.over, s.past = closed, ended
	s.ended, s.closed, s.newer, s.notAsked = o.links(ended)[0], o.links(closed)[0], o.links(old)[0], o.links(others)[0]
	o.advance(31 * time.Minute)
	s.stageDrill(first)
	s.stageStatus()
	s.undo = o.post(fields{"undo_seconds": 10, "subject": "あと10秒だけ取り消せます"})
	return s
}

func (s *staged) stageDrill(groups []string) {
	s.drill = s.send(fields{"groups": groups, "kind": "drill", "subject": "避難訓練の連絡"})
	s.drillLink = s.links(s.drill)[0]
	s.send(fields{"groups": groups, "kind": "notice", "subject": "下校時刻の変更", "remind_after_minutes": 30})
}

// stageStatus sends the alert that the pictures show: two operators are in the
// way, two thirds answer within half an hour, a few need help.
func (s *staged) stageStatus() {
	s.Inbox.FailWith(func(m *mail.Message) error {
		switch {
		case strings.Contains(m.To.Address, "7@"):
			return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "User unknown"}
		case strings.HasSuffix(m.To.Address, "@yahoo.co.jp"):
			// of this address alone: what an operator says of its lane stays in the queue
			return &mail.SendError{Code: 452, Enhanced: "4.2.2", Text: "mailbox full"}
		}
		return nil
	})
	s.status = s.send(nil)
	s.Inbox.FailWith(nil)
	links := s.links(s.status)
	unanswered := len(links) * 2 / 3
	for i, path := range links[:unanswered] {
		choice := "safe"
		if i%97 == 5 {
			choice = "help"
			s.answered = path
		}
		s.answer(s.status, path, choice)
		if i%4 == 0 {
			s.clock.Advance(time.Duration(i*i%53) * time.Second)
		}
	}
	open := links[unanswered:]
	s.one = s.linkTo(open, func(page string) bool { return fresh(page) && !strings.Contains(page, `name="all"`) })
	s.siblings = s.linkTo(open, func(page string) bool { return fresh(page) && strings.Contains(page, `name="all"`) })
	_, after, _ := strings.Cut(s.get(s.one), "/r/")
	token, _, _ := strings.Cut(after, `"`)
	s.read = "/r/" + token
	s.group = s.class("1年2組")
}

// fresh reports whether nobody has answered on an answer page.
func fresh(page string) bool { return !strings.Contains(page, "回答を受け付けました") }
