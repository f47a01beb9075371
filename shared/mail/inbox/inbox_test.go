package inbox_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/mail/mailtest"
)

var noon = time.Date(2026, 4, 7, 12, 0, 0, 0, time.FixedZone("JST", 9*3600))

func clock() time.Time { return noon }

func TestInbox(t *testing.T) {
	mailtest.Run(t, func(t *testing.T) mailtest.Fixture {
		b := inbox.New(0, clock)
		answers := make(map[string]mailtest.Failure)
		b.FailWith(func(m *mail.Message) error { return answer(answers[m.To.Address]) })
		return mailtest.Fixture{
			Sender:  b,
			Now:     noon,
			Arrived: func() []mail.Received { return oldestFirst(b) },
			Fail:    func(address string, f mailtest.Failure) { answers[address] = f },
		}
	})
}

func answer(f mailtest.Failure) error {
	switch f {
	case mailtest.Temporary:
		return &mail.SendError{Code: 450, Enhanced: "4.2.1"}
	case mailtest.Permanent:
		return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1"}
	case mailtest.Operator:
		return &mail.SendError{Scope: mail.ScopeOperator, Code: 421}
	default:
		return nil
	}
}

func oldestFirst(b *inbox.Inbox) []mail.Received {
	var list []mail.Received
	for _, e := range slices.Backward(b.List()) {
		list = append(list, e.Received)
	}
	return list
}

func TestListKeepsTheNewest(t *testing.T) {
	tests := []struct {
		name string
		sent int
		want []string
	}{
		{"none", 0, nil},
		{"fewer than the limit", 2, []string{mailtest.Address(1), mailtest.Address(0)}},
		{"as many", 3, []string{mailtest.Address(2), mailtest.Address(1), mailtest.Address(0)}},
		{"more", 5, []string{mailtest.Address(4), mailtest.Address(3), mailtest.Address(2)}},
		{"twice as many", 6, []string{mailtest.Address(5), mailtest.Address(4), mailtest.Address(3)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := inbox.New(3, clock)
			for _, err := range mailtest.SendAll(t, t.Context(), b, mailtest.Letters(tt.sent)) {
				if err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, e := range b.List() {
				got = append(got, e.To)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
			if b.Total() != tt.sent {
				t.Errorf("total %d, want %d", b.Total(), tt.sent)
			}
		})
	}
}

func TestWatch(t *testing.T) {
	b := inbox.New(0, clock)
	var got []string
	cancel := b.Watch(func(e inbox.Entry) {
		if b.List()[0].To != e.To {
			t.Error("the entry is not in the list yet")
		}
		got = append(got, e.To)
	})
	mailtest.SendAll(t, t.Context(), b, mailtest.Letters(2))
	cancel()
	mailtest.SendAll(t, t.Context(), b, mailtest.Letters(1))
	if diff := cmp.Diff([]string{mailtest.Address(0), mailtest.Address(1)}, got); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	b := inbox.New(0, clock)
	m := mailtest.Letter(7)
	m.Text, m.HTML = "本文\n", "<p>本文</p>\n"
	if err := b.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(b.List()[0])
	if err != nil {
		t.Fatal(err)
	}
	var entry map[string]any
	if err := json.Unmarshal(got, &entry); err != nil {
		t.Fatal(err)
	}
	headers, _ := entry["headers"].(map[string]any)
	if headers["Message-ID"] != "<01JZTEST.000007@midori.example.jp>" || headers["List-Unsubscribe"] != "<https://todoku.example.jp/u/7>" {
		t.Errorf("headers %v", headers)
	}
	delete(entry, "headers")
	want := map[string]any{
		"to": "guardian7@example.jp", "from": "alert@midori.example.jp",
		"subject": "【訓練】大雨のため引き取り下校を行います",
		"text":    "本文\n", "html": "<p>本文</p>\n", "at": "2026-04-07T03:00:00Z",
	}
	if diff := cmp.Diff(want, entry); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}
