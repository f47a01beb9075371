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

// turns is when it is each open alert's turn to be looked at next.
type turns struct {
	mu   sync.Mutex
	next map[string]time.Time
}

// turn reports whether it is an alert's turn, and takes it.
func (t *turns) turn(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next[id]) {
		return false
	}
	t.put(id, now.Add(listenEvery-time.Second)) // ticks of a minute are not exact
	return true
}

// resting reports whether an alert is not to be looked at yet.
func (t *turns) resting(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.next[id])
}

func (t *turns) put(id string, at time.Time) {
	if t.next == nil {
		t.next = map[string]time.Time{}
	}
	t.next[id] = at
}

// rest leaves an alert alone until a time.
func (t *turns) rest(id string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(id, until)
}

func (t *turns) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.next, id)
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
