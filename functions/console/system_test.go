package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// TestSystem: a manager sees what is wrong with the fix, and asks for a new look.
func TestSystem(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	if a := o.visit(c, "/system"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "まだ点検していません。") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := o.submit(c, "/system/doctor", url.Values{}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := o.visit(c, "/system"); !strings.Contains(a.body, "点検しています。") || strings.Contains(a.body, "今すぐ点検する") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	o.examine()
	a := o.visit(c, "/system?lang=en")
	for _, want := range []string{"There is no backup yet.", "Mend it soon", "backup-none", "school.example.jp TXT &#34;v=spf1 ip4:192.0.2.25 ~all&#34;", "todoku backup FILE", "12:00", "Check now"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is not on the page: %s", want, a.body)
		}
	}
}

// examine is what a tick does, on a machine without a backup.
func (o *office) examine() {
	o.t.Helper()
	d := &doctor.Daily{Records: *o.server.Doctor, Log: o.server.Log, Setup: o.broken}
	o.must(d.Run(o.t.Context()))
}

// TestProofOnPages: who is about to send an alert sees whether the system works.
func TestProofOnPages(t *testing.T) {
	state := func(minutes int) (s proof.State) {
		s.Last = monday.Add(-time.Duration(minutes) * time.Minute)
		return s
	}
	lanes := func(system, docomo, au int) proof.State {
		s := state(system)
		s.Lanes = map[string]proof.Record{"docomo": state(docomo).Record, "au": state(au).Record}
		return s
	}
	for _, tt := range []struct {
		name  string
		state proof.State
		pass  time.Duration // since the start
		says  string
		not   string
	}{
		{"just started", proof.State{}, 0, "", "class=\"notice alarm\""},
		{"proven", state(7), 0, "7分前に", "class=\"notice alarm\""},
		{"late", state(131), 0, "（最後の確認：131分前）", "自動で確かめました"},
		{"never", proof.State{}, 131 * time.Minute, "確かめられていません。連絡は", "最後の確認"},
		{"each lane", lanes(7, 8, 9), 0, "メール会社ごと：ドコモ 8分前、au・UQ mobile 9分前。", "class=\"notice alarm\""},
		{"one lane is late", lanes(7, 131, 9), 0, "今は確かめられていません：<b>ドコモ</b>（最後の確認：131分前）。このメール会社", "<b>au"},
		{"and the other is not", lanes(7, 131, 9), 0, "メール会社ごと：au・UQ mobile 9分前。", "連絡は送れますが"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			for lane := range tt.state.Lanes {
				o.server.Proof.Mailboxes = append(o.server.Proof.Mailboxes, proof.Mailbox{Lane: lane})
			}
			slices.SortFunc(o.server.Proof.Mailboxes, func(a, b proof.Mailbox) int { return strings.Compare(b.Lane, a.Lane) })
			value, err := json.Marshal(tt.state)
			o.must(err)
			if !tt.state.Last.IsZero() {
				o.must(o.table.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "proof", Sort: "state"}, Value: value}))
			}
			c := o.signIn()
			o.pass(tt.pass)
			for _, path := range []string{"/alerts/new", "/system"} {
				a := o.visit(c, path)
				if a.StatusCode != http.StatusOK || !strings.Contains(a.body, tt.says) || strings.Contains(a.body, tt.not) {
					t.Errorf("%s: status %d, wants %q and not %q: %s", path, a.StatusCode, tt.says, tt.not, a.body)
				}
			}
		})
	}
}

// TestDeadLetters: what was given up is on the page with its reason, and is tried again.
func TestDeadLetters(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	if a := o.visit(c, "/system"); strings.Contains(a.body, "送れなかったメール") {
		t.Error("dead letters of nobody")
	}
	letters := &letters{list: []queue.DeadLetter{{Handle: "1", Message: queue.Message{Group: "docomo#3", ID: "x"}, Died: monday, Reason: "the record is damaged"}}}
	o.server.Dead = map[string]queue.DeadLetters{"copies": letters}
	a := o.visit(c, "/system?lang=en")
	for _, want := range []string{"Mails that could not be sent: 1", "docomo#3", "the record is damaged", "Try all of them again"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is not on the page: %s", want, a.body)
		}
	}
	other := o.foreignAlert()
	for i, body := range []string{`{"a":"` + other.ID + `"}`, `{"memo":{"school":"elsewhere"}}`, `{"invite":{"school":"s"}}`} {
		letters.list = append(letters.list, queue.DeadLetter{Handle: "not mine " + strconv.Itoa(i), Message: queue.Message{Body: body}, Died: monday, Reason: "of another school"})
	}
	letters.list = append(letters.list, queue.DeadLetter{Handle: "2", Died: monday})
	if a := o.visit(c, "/system?lang=en"); strings.Contains(a.body, "of another school") || !strings.Contains(a.body, "No reason was noted.") {
		t.Errorf("letters of another school: %s", a.body)
	}
	for _, handle := range []string{"2", "not mine 0", "gone"} {
		o.submit(c, "/system/dead/copies", url.Values{"letter": {handle}})
	}
	if len(letters.list) != 4 {
		t.Errorf("%d left after one of ours, one of others and one that is gone were asked for", len(letters.list))
	}
	if a := o.submit(c, "/system/dead/nonsense", url.Values{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("a queue that is not there: status %d", a.StatusCode)
	}
	if a := o.submit(c, "/system/dead/copies", url.Values{}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/system?again=1" || len(letters.list) != 3 {
		t.Errorf("status %d to %q, %d left", a.StatusCode, a.Header.Get("Location"), len(letters.list))
	}
	if a := o.visit(c, "/system?again=1&lang=ja"); !strings.Contains(a.body, "1件を、1分以内にもう一度処理します。") {
		t.Errorf("nothing says that it is tried again: %s", a.body)
	}
}

// letters are the dead letters of a queue.
type letters struct{ list []queue.DeadLetter }

func (l *letters) ListDead(context.Context, string, int) ([]queue.DeadLetter, error) {
	return l.list, nil
}

func (l *letters) Redrive(_ context.Context, handles ...string) (int, error) {
	n := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(d queue.DeadLetter) bool { return slices.Contains(handles, d.Handle) })
	return n - len(l.list), nil
}
