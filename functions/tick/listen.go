package tick

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/silence"
	"github.com/todoku/todoku/shared/staff"
)

// listenEvery is how often it is looked whether a lane is silent.
const listenEvery = time.Minute

// listening is when each open alert is to be listened to next.
type listening struct {
	mu   sync.Mutex
	next map[string]time.Time
}

// turn reports whether it is an alert's turn, and takes it.
func (l *listening) turn(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next[id]) {
		return false
	}
	l.put(id, now.Add(listenEvery-time.Second)) // ticks of a minute are not exact
	return true
}

// resting reports whether an alert is not to be looked at yet.
func (l *listening) resting(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.next[id])
}

func (l *listening) put(id string, t time.Time) {
	if l.next == nil {
		l.next = map[string]time.Time{}
	}
	l.next[id] = t
}

// rest is not to listen to an alert again before a time.
func (l *listening) rest(id string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(id, until)
}

func (l *listening) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.next, id)
}

// listen looks whether lanes are silent, as long as an alert is open and nobody was
// reminded: after that the mails of a lane are no longer one a guardian. Who can do
// something about it is told.
func (h *Handler) listen(ctx context.Context, a alert.Alert, now time.Time) error {
	if !a.Useful(now) || len(a.Choices) == 0 || a.RemindAfter > 0 && !now.Before(a.Starts.Add(a.RemindAfter)) || !h.listened.turn(a.ID, now) {
		return nil
	}
	found, over, err := h.Alerts.Listen(ctx, a)
	if err != nil {
		return err
	}
	if over {
		h.listened.rest(a.ID, a.UsefulUntil)
	}
	for _, f := range found {
		h.Log.Warn("lane is silent", "alert", a.ID, "lane", f.Lane, "sent", f.Sent, "answered", f.Answered, "others_sent", f.OthersSent, "others_answered", f.OthersAnswer)
	}
	if len(found) == 0 || h.Memos == nil {
		return nil
	}
	_, err = h.Memos.Tell(ctx, h.silent(a, found, now), func(m staff.Staff) bool { return memo.Managers(m) || m.ID == a.Sender.ID })
	return err
}

// silent tells of silent lanes.
func (h *Handler) silent(a alert.Alert, found []silence.Finding, now time.Time) memo.Memo {
	body := lang.T("「%s」について、次のメール会社でメールが届いていない可能性があります。\n", "\"%s\": mail is probably not arriving at these operators.\n", a.Title())
	for _, f := range found {
		body = join(body, "・", f.Say(h.Lanes.Named(f.Lane).Label))
	}
	body = join(body, "", lang.T("対象の家庭は電話リストの上に移しました。電話で確認してください。", "Their families have moved up the call list. Please phone them."))
	return memo.Memo{
		School: a.School, About: "silence-" + a.ID + "-" + strconv.FormatInt(now.Unix(), 36), Path: "/alerts/" + a.ID, Until: a.UsefulUntil,
		Subject: lang.T("メールが届いていない可能性があります", "Mail is probably not arriving"), Body: body,
	}
}

func join(body lang.Text, mark string, line lang.Text) lang.Text {
	return lang.Text{JA: body.JA + mark + line.JA + "\n", EN: body.EN + mark + line.EN + "\n"}
}
