package browser

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/table"
)

// inTrouble makes what is seen when mail fares badly, and returns the pages that say so: an
// operator puts mail off that cannot leave in time, no events come, copies were given up, and
// too many mails came back. It is for the end: alerts that are sent later fare no better.
func (s *staged) inTrouble() []stop {
	s.advance(time.Minute) // the alert that could be undone leaves
	s.Inbox.FailWith(func(m *mail.Message) error {
		if strings.HasSuffix(m.To.Address, "@docomo.ne.jp") {
			return &mail.SendError{Code: 452, Enhanced: "4.2.2", Text: "mailbox full"}
		}
		return nil
	})
	late := s.send(fields{"subject": "15時までにお迎えをお願いします", "useful_until": s.clock.Now().Add(20 * time.Minute).Format(time.RFC3339)})
	// One machine hears its relay at once; the page is what AWS would show.
	s.Gate.Events = true
	now := s.clock.Now().UTC()
	s.write(table.Key{Partition: "school/" + s.manager.School + "/held", Sort: "lanes"}, map[string]docket.Event{
		"docomo": {Lane: "docomo", Alert: late, Since: now, Class: judge.Policy, Words: "550 5.7.1 rejected by policy", Alike: 12, Settled: 20},
	})
	s.write(table.Key{Partition: "lane/unheard", Sort: "event"}, gate.Unheard{Since: now.Add(-3 * time.Minute), Lanes: []string{"docomo"}})
	s.must(s.Alerts.Table.Write(s.Context(), "", table.Add{
		Key: table.Key{Partition: "alert/" + late, Sort: "lane/google/s0"}, Deltas: map[string]int64{"returned": 12, "gaveup": 3},
	}))
	s.write(table.Key{Partition: "account", Sort: "brake"}, docket.Braked{Since: now.Add(-time.Hour), Bounces: 0.093, Complaints: 0.0012, Mails: 1000})
	return []stop{
		{name: "status, mail fares badly", who: manager, path: "/alerts/" + late},
		{name: "lost mail, the brake is on", who: manager, path: "/mail"},
		{name: "preview of a notice while the brake is on", who: manager, path: "/alerts/new?from=" + s.over, then: submit("main form")},
	}
}

// write puts an item into the store, over the one that is there.
func (s *staged) write(key table.Key, value any) {
	s.Helper()
	text, err := json.Marshal(value)
	s.must(err)
	var op table.Op = table.Create{Key: key, Value: text}
	if there, err := s.Alerts.Table.Get(s.Context(), key); err == nil {
		op = table.Replace{Key: key, Revision: there.Revision, Value: text}
	}
	s.must(s.Alerts.Table.Write(s.Context(), "", op))
}

// said are words of which each page in trouble has some.
var said = map[string][]string{
	"status, mail fares badly":                  {"知らせが来ていません", "期限までに相手先が受け取りませんでした", "もう一度送信待ちに戻しました", "有効期限までに送れない見込みです"},
	"lost mail, the brake is on":                {"お知らせの送信を止めています"},
	"preview of a notice while the brake is on": {"お知らせと訓練は送らずに待っています"},
}
