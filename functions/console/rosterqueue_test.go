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
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// handed is a queue of which the test plays the consumer.
type handed struct {
	messages  []events.SQSMessage
	postponed map[string]time.Duration // by receipt
}

func (k *handed) Send(_ context.Context, msgs ...queue.Message) error {
	for _, m := range msgs {
		k.messages = append(k.messages, events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: "of " + m.ID, Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group},
		})
	}
	return queue.Check(msgs...)
}

func (k *handed) Postpone(_ context.Context, d time.Duration, receipts ...string) error {
	k.postponed = map[string]time.Duration{}
	for _, r := range receipts {
		k.postponed[r] = d
	}
	return nil
}

// withQueue has imports done by a Handler, as on AWS.
func (o *office) withQueue() (*handed, *imports.Handler) {
	k := &handed{}
	o.server.Background, o.server.Jobs = nil, k
	return k, &imports.Handler{Worker: imports.NewWorker(o.server.Roster, nil, o.clock, o.server.Log), Jobs: k}
}

// handle has messages handled, and returns how many failed.
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
	path := o.begun(c, smallRoster)
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
	o.imported(c, path, 3)
}

// TestImportIsCutOff ends the event in the middle, as a timeout would, and hands
// the message out again: once by the queue, once because somebody pressed the
// button in between.
func TestImportIsCutOff(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	k, importer := o.withQueue()
	path := o.begun(c, smallRoster)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.handedBack(ended, k, importer, 0)
	o.pass(imports.Stalls)
	o.submit(c, path+"/confirm", nil)
	if len(k.messages) != 2 || k.messages[0].Attributes[queue.AttrGroup] == k.messages[1].Attributes[queue.AttrGroup] {
		t.Fatalf("going on sent %d messages, which must not wait for each other", len(k.messages))
	}
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.imported(c, path, 3)
}

// handedBack has the first message handled, which is to fail with a reason and to come again
// after a time.
func (o *office) handedBack(ctx context.Context, k *handed, i *imports.Handler, after time.Duration) {
	o.t.Helper()
	ctx, reasons := queue.WithReasons(ctx)
	m := k.messages[0]
	if failed := o.handle(ctx, i, m); failed != 1 || reasons.Of(m.MessageId) == "" {
		o.t.Fatalf("%d messages handed back, because %q", failed, reasons.Of(m.MessageId))
	}
	if diff := cmp.Diff(map[string]time.Duration{m.ReceiptHandle: after}, k.postponed); diff != "" {
		o.t.Errorf("postponed (-want +got):\n%s", diff)
	}
}

// neverDone is a table that does not take the end of an import.
type neverDone struct{ table.Table }

func (n neverDone) Write(ctx context.Context, token string, ops ...table.Op) error {
	if r, ok := ops[0].(table.Replace); ok && strings.Contains(string(r.Value), `"state":"done"`) {
		return table.ErrBusy
	}
	return n.Table.Write(ctx, token, ops...)
}

// TestImportWithoutEnd: one whose end could not be recorded goes on by itself.
func TestImportWithoutEnd(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	k, importer := o.withQueue()
	path := o.begun(c, smallRoster)
	whole := importer.Table
	importer.Table = neverDone{whole}
	o.handedBack(t.Context(), k, importer, 2*time.Second)
	importer.Table = whole
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.holds(o.visit(c, path), "を取り込みました")
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
	path := o.begun(c, header+"1,1,見本 一郎,見本 花子,hanako@example.jp\n")
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
