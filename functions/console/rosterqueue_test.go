package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// handed is a queue of which the test plays the consumer.
type handed struct {
	messages  []events.SQSMessage
	postponed []string
}

func (k *handed) Send(_ context.Context, msgs ...queue.Message) error {
	for _, m := range msgs {
		k.messages = append(k.messages, events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: "of " + m.ID, Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group},
		})
	}
	return queue.Check(msgs...)
}

func (k *handed) Postpone(_ context.Context, _ time.Duration, receipts ...string) error {
	k.postponed = append(k.postponed, receipts...)
	return nil
}

// withQueue has imports done by a Handler, as on AWS.
func (o *office) withQueue() (*handed, *imports.Handler) {
	k := &handed{}
	o.server.Background, o.server.Jobs = nil, k
	return k, &imports.Handler{Worker: imports.NewWorker(o.server.Roster, nil, o.clock, o.server.Log), Jobs: k}
}

// handle has the messages with these numbers handled, and returns how many failed.
func (o *office) handle(ctx context.Context, i *imports.Handler, msgs ...events.SQSMessage) int {
	o.t.Helper()
	res, err := i.Handle(ctx, events.SQSEvent{Records: msgs})
	o.must(err)
	return len(res.BatchItemFailures)
}

func TestImportByQueue(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	k, importer := o.withQueue()
	path := o.upload(c, "a.csv", []byte(smallRoster))
	o.submit(c, path+"/confirm", nil)
	o.submit(c, path+"/confirm", nil)
	if len(k.messages) != 1 || !imports.IsMessage(k.messages[0]) {
		t.Fatalf("two clicks sent %d messages", len(k.messages))
	}
	if strings.Contains(k.messages[0].Body, "a.csv") {
		t.Errorf("the message tells more than ids: %s", k.messages[0].Body)
	}
	o.holds(o.visit(c, path), "取り込んでいます")
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.holds(o.visit(c, path), "を取り込みました")
	if n := o.children(); n != 3 {
		t.Errorf("%d children, want 3", n)
	}
}

// TestImportIsCutOff ends the event in the middle, as a timeout would, and hands
// the message out again: once by the queue, once because somebody pressed the
// button in between.
func TestImportIsCutOff(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	k, importer := o.withQueue()
	path := o.upload(c, "a.csv", []byte(smallRoster))
	o.submit(c, path+"/confirm", nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if failed := o.handle(ended, importer, k.messages...); failed != 1 {
		t.Fatalf("%d messages handed back, want 1", failed)
	}
	o.pass(imports.Stalls)
	o.submit(c, path+"/confirm", nil)
	if len(k.messages) != 2 || k.messages[0].Attributes[queue.AttrGroup] == k.messages[1].Attributes[queue.AttrGroup] {
		t.Fatalf("going on sent %d messages, which must not wait for each other", len(k.messages))
	}
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.holds(o.visit(c, path), "を取り込みました")
	if n := o.children(); n != 3 {
		t.Errorf("%d children, want 3", n)
	}
}

// meanwhile is a table at which something happens before the first family is written.
type meanwhile struct {
	table.Table
	once sync.Once
	do   func()
}

func (m *meanwhile) Write(ctx context.Context, token string, ops ...table.Op) error {
	if slices.ContainsFunc(ops, func(op table.Op) bool { return strings.HasSuffix(op.OpKey().Partition, "/families") }) {
		m.once.Do(m.do)
	}
	return m.Table.Write(ctx, token, ops...)
}

// TestImportSaysWhatBecameFaulty: a row that cannot be written any more, because somebody
// has changed the roster since the preview, is among the rejected ones.
func TestImportSaysWhatBecameFaulty(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	k, importer := o.withQueue()
	const header = "学年,組,氏名,保護者,メール\n"
	path := o.upload(c, "a.csv", []byte(header+"1,1,見本 一郎,見本 花子,hanako@example.jp\n"))
	o.submit(c, path+"/confirm", nil)
	full := func() { // the family has as many children as one can have
		sheet := header
		for i := range roster.MaxFamilyChildren {
			sheet += fmt.Sprintf("2,1,例 %d,見本 花子,hanako@example.jp\n", i)
		}
		o.load(sheet)
	}
	r := *o.server.Roster
	r.Table = &meanwhile{Table: importer.Table, do: full}
	worker := imports.NewWorker(&r, nil, o.clock, o.server.Log)
	if failed := o.handle(t.Context(), &imports.Handler{Worker: worker, Jobs: k}, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.holds(o.visit(c, path), "を取り込みました", path+"/rejected.csv")
	o.holds(o.visit(c, path+"/rejected.csv"), "見本 一郎")
}

// TestImportIsGone has nothing to do any more: that is no failure.
func TestImportIsGone(t *testing.T) {
	o := newOffice(t)
	k, importer := o.withQueue()
	o.must(k.Send(t.Context(), imports.Message(o.me.School, imports.Import{ID: o.server.Roster.IDs.New()})))
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Errorf("%d messages handed back", failed)
	}
}

func TestMaxSheet(t *testing.T) {
	o := newOffice(t)
	o.server.MaxSheet = 1 << 20
	var err error
	o.handler, err = o.server.Handler()
	o.must(err)
	c := o.signIn()
	o.holds(o.visit(c, "/roster"), "1 MB・20万行まで")
	for name, answer := range map[string]answer{
		"page": o.choose(c, "big.csv", []byte(strings.Repeat("a,b\n", 300_000))),
		"API":  o.api("POST", "/roster", strings.Repeat("a,b\n", 300_000)),
	} {
		if answer.StatusCode != 413 || !strings.Contains(answer.body, "1 MB") {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.body)
		}
	}
}
