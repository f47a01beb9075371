// Package mailtest says what every mail.Sender must do, as a suite that every
// adapter runs, and lends what tests and benchmarks of mail need: messages, and
// networks that are slow or in memory.
package mailtest

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail"
)

// Fixture is a Sender on trial and what stands behind it.
type Fixture struct {
	Sender mail.Sender
	// Now is where the Sender's clock stands still.
	Now time.Time
	// Arrived returns what the operator has accepted, oldest first.
	Arrived func() []mail.Received
	// Fail makes the operator answer every message to address so from now on.
	// It is called while nothing is being sent.
	Fail func(address string, f Failure)
}

// Failure is a way for an operator to answer.
type Failure int

// The ways to answer.
const (
	Accept    Failure = iota
	Temporary         // 450 4.2.1 to RCPT, or as near as the operator has it
	Permanent         // 550 5.1.1 to RCPT
	Operator          // the operator as a whole can no longer be used: ScopeOperator
)

// Run holds the Sender of a Fixture to the port. open is called once for each
// test and cleans up by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	tests := []struct {
		name string
		test func(t *testing.T, f Fixture)
	}{
		{"a message arrives intact", testIntact},
		{"a batch arrives in order", testOrder},
		{"an empty batch is no work", testEmpty},
		{"one refusal speaks for one message", testRefusals},
		{"the operator's failure stops the batch", testOperator},
		{"a cancelled context sends nothing", testCancelled},
		{"a context cancelled midway", testCancelledMidway},
		{"nothing begins after the deadline", testDeadline},
		{"an invalid message is not begun", testInvalid},
		{"several goroutines send at once", testConcurrent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// Letter returns the nth of a series of messages that differ in ID, recipient
// and text, with everything in it that a real one has.
func Letter(n int) *mail.Message {
	return &mail.Message{
		ID:          fmt.Sprintf("01JZTEST.%06d", n),
		From:        netmail.Address{Name: "みどり小学校", Address: "alert@midori.example.jp"},
		To:          netmail.Address{Name: "保護者 様", Address: Address(n)},
		ReplyTo:     netmail.Address{Name: "佐藤花子", Address: "sato@midori.example.jp"},
		Subject:     "【訓練】大雨のため引き取り下校を行います",
		Text:        fmt.Sprintf("体育館までお迎えをお願いします。\n.\n..\nhttps://todoku.example.jp/a/%d\n", n),
		HTML:        fmt.Sprintf("<p>体育館までお迎えをお願いします。</p>\n<a href=\"https://todoku.example.jp/a/%d\">回答</a>\n", n),
		Unsubscribe: fmt.Sprintf("https://todoku.example.jp/u/%d", n),
		OneClick:    true,
		Tags:        map[string]string{"Copy": fmt.Sprint(n)},
		Date:        time.Date(2026, 4, 7, 3, 0, 0, 0, time.UTC),
	}
}

// Address is the recipient of the nth Letter.
func Address(n int) string { return fmt.Sprintf("guardian%d@example.jp", n) }

// Letters returns the first n of the series.
func Letters(n int) []*mail.Message {
	msgs := make([]*mail.Message, n)
	for i := range msgs {
		msgs[i] = Letter(i)
	}
	return msgs
}

// SendAll sends msgs and returns their outcomes. It fails the test unless done
// was called once for each message and in order.
func SendAll(t testing.TB, ctx context.Context, s mail.Sender, msgs []*mail.Message) []error {
	t.Helper()
	return sendAll(t, ctx, s, msgs, func(int) {})
}

// sendAll does it, and calls after when the outcome of message i is known.
func sendAll(t testing.TB, ctx context.Context, s mail.Sender, msgs []*mail.Message, after func(i int)) []error {
	t.Helper()
	var got []error
	mail.SendAll(ctx, s, msgs, func(i int, err error) {
		if i != len(got) {
			t.Errorf("done called for message %d, want %d", i, len(got))
		}
		got = append(got, err)
		after(i)
	})
	if len(got) != len(msgs) {
		t.Fatalf("done called %d times for %d messages", len(got), len(msgs))
	}
	return got
}

func testIntact(t *testing.T, f Fixture) {
	quoted := Letter(1)
	quoted.To.Address = `"a..b."@docomo.ne.jp`
	plain := Letter(2)
	plain.HTML, plain.Text = "", "\n.\n.\n"
	want := []*mail.Message{Letter(0), quoted, plain}
	for _, m := range want {
		if err := f.Sender.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	checkArrived(t, f, want)
}

// checkArrived holds that exactly want has arrived, in this order, as written.
func checkArrived(t *testing.T, f Fixture, want []*mail.Message) {
	t.Helper()
	var sent []mail.Received
	for _, m := range want {
		sent = append(sent, asReceived(t, m))
	}
	if diff := cmp.Diff(sent, f.Arrived()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func asReceived(t *testing.T, m *mail.Message) mail.Received {
	t.Helper()
	b, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	r, err := mail.Receive(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testOrder(t *testing.T, f Fixture) {
	msgs := Letters(120)
	for i, err := range SendAll(t, t.Context(), f.Sender, msgs) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	checkArrived(t, f, msgs)
}

func testEmpty(t *testing.T, f Fixture) {
	SendAll(t, t.Context(), f.Sender, nil)
	checkArrived(t, f, nil)
}

// testRefusals refuses in the first place, in the last, and twice running.
func testRefusals(t *testing.T, f Fixture) {
	kinds := []Failure{Permanent, Accept, Temporary, Permanent, Accept, Accept, Temporary}
	for i, k := range kinds {
		f.Fail(Address(i), k)
	}
	msgs := Letters(len(kinds))
	var want []*mail.Message
	for i, err := range SendAll(t, t.Context(), f.Sender, msgs) {
		checkRefusal(t, fmt.Sprintf("message %d of the batch", i), err, kinds[i])
		if kinds[i] == Accept {
			want = append(want, msgs[i])
		}
	}
	for i, k := range kinds[:3] {
		checkRefusal(t, fmt.Sprintf("message %d alone", i), f.Sender.Send(t.Context(), msgs[i]), k)
	}
	checkArrived(t, f, append(want, msgs[1]))
}

func checkRefusal(t *testing.T, what string, err error, f Failure) {
	t.Helper()
	if f == Accept {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var e *mail.SendError
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v, want a *SendError", what, err)
		return
	}
	want := mail.SendError{Code: 450, Enhanced: "4.2.1"}
	if f == Permanent {
		want = mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1"}
	}
	got := mail.SendError{Scope: e.Scope, Permanent: e.Permanent, Maybe: e.Maybe, Code: e.Code, Enhanced: e.Enhanced}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: error (-want +got):\n%s", what, diff)
	}
}

func testOperator(t *testing.T, f Fixture) {
	msgs := Letters(6)
	f.Fail(Address(2), Operator)
	got := SendAll(t, t.Context(), f.Sender, msgs)
	for i, err := range got {
		if i < 2 {
			checkRefusal(t, fmt.Sprintf("message %d", i), err, Accept)
			continue
		}
		checkOperator(t, i, err)
		if !errors.Is(err, got[2]) {
			t.Errorf("message %d: %v, want what stopped the batch: %v", i, err, got[2])
		}
	}
	checkArrived(t, f, msgs[:2])

	f.Fail(Address(2), Accept)
	for i, err := range SendAll(t, t.Context(), f.Sender, msgs[2:]) {
		checkRefusal(t, fmt.Sprintf("message %d, later", i+2), err, Accept)
	}
	checkArrived(t, f, msgs)
}

func checkOperator(t *testing.T, i int, err error) {
	t.Helper()
	var e *mail.SendError
	if !errors.As(err, &e) || e.Scope != mail.ScopeOperator || e.Permanent || e.Maybe {
		t.Errorf("message %d: error %v, want a temporary one of ScopeOperator", i, err)
	}
}

func testCancelled(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Sender.Send(ctx, Letter(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v, want the context's error", err)
	}
	for i, err := range SendAll(t, ctx, f.Sender, Letters(3)) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("message %d: %v, want the context's error", i, err)
		}
	}
	checkArrived(t, f, nil)
}

// testCancelledMidway holds that whatever has arrived is reported as sent, or as
// perhaps sent, and that the last of a long batch is neither.
func testCancelledMidway(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	msgs := Letters(50)
	got := sendAll(t, ctx, f.Sender, msgs, func(i int) {
		if i == 3 {
			cancel()
		}
	})
	arrived := make(map[string]bool)
	for _, r := range f.Arrived() {
		arrived[r.To] = true
	}
	for i, err := range got {
		var e *mail.SendError
		switch maybe := errors.As(err, &e) && e.Maybe; {
		case err == nil && !arrived[msgs[i].To.Address]:
			t.Errorf("message %d was reported as sent and has not arrived", i)
		case err != nil && !maybe && arrived[msgs[i].To.Address]:
			t.Errorf("message %d has arrived in spite of %v", i, err)
		case err != nil && !errors.Is(err, context.Canceled):
			t.Errorf("message %d: %v, want the context's error", i, err)
		}
	}
	if got[3] != nil || got[len(got)-1] == nil {
		t.Errorf("the last before cancelling: %v; the last of all: %v", got[3], got[len(got)-1])
	}
}

func testDeadline(t *testing.T, f Fixture) {
	msgs := Letters(5)
	msgs[0].Deadline = f.Now.Add(-time.Nanosecond)
	msgs[1].Deadline = f.Now
	msgs[3].Deadline = f.Now.Add(-time.Hour)
	msgs[4].Deadline = f.Now.Add(time.Hour)
	for i, err := range SendAll(t, t.Context(), f.Sender, msgs) {
		if late := i == 0 || i == 3; late != errors.Is(err, mail.ErrExpired) || !late && err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if err := f.Sender.Send(t.Context(), msgs[3]); !errors.Is(err, mail.ErrExpired) {
		t.Errorf("Send: %v, want ErrExpired", err)
	}
	checkArrived(t, f, []*mail.Message{msgs[1], msgs[2], msgs[4]})
}

// testInvalid puts a line break, the usual way to smuggle in a recipient, into
// each field that travels in the header or the envelope.
func testInvalid(t *testing.T, f Fixture) {
	const evil = "x\r\nBcc: evil@example.com"
	changes := []func(m *mail.Message){
		func(m *mail.Message) { m.Subject = evil },
		func(m *mail.Message) { m.From.Name = evil },
		func(m *mail.Message) { m.From.Address = "a@example.jp>" + evil },
		func(m *mail.Message) { m.To.Name = evil },
		func(m *mail.Message) { m.To.Address = "a@example.jp>\r\nRCPT TO:<evil@example.com" },
		func(m *mail.Message) { m.ReplyTo.Name = evil },
		func(m *mail.Message) { m.ReplyTo.Address = "a@example.jp" + evil },
		func(m *mail.Message) { m.Unsubscribe += evil },
		func(m *mail.Message) { m.Tags = map[string]string{"a": evil} },
		func(m *mail.Message) { m.Tags = map[string]string{evil: "a"} },
		func(m *mail.Message) { m.ID = evil },
	}
	msgs := Letters(len(changes) + 1)
	for i, change := range changes {
		change(msgs[i])
	}
	for i, err := range SendAll(t, t.Context(), f.Sender, msgs) {
		var e *mail.SendError
		good := i == len(changes)
		if good != (err == nil) || !good && !(errors.As(err, &e) && e.Permanent && errors.Is(err, mail.ErrInvalid)) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	checkArrived(t, f, msgs[len(changes):])
}

func testConcurrent(t *testing.T, f Fixture) {
	const workers, each = 8, 12
	msgs := Letters(workers * each)
	var wg sync.WaitGroup
	for part := range slices.Chunk(msgs, each) {
		wg.Go(func() {
			for i, err := range SendAll(t, t.Context(), f.Sender, part) {
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	count := make(map[string]int)
	for _, r := range f.Arrived() {
		count[r.To]++
	}
	for _, m := range msgs {
		if n := count[m.To.Address]; n != 1 {
			t.Errorf("message %s has arrived %d times", m.ID, n)
		}
	}
}
