package queue_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/queue"
)

// of returns messages of groups, with the group and a number as ids: "a1", "a2", "b1".
func of(ids ...string) (e events.SQSEvent) {
	for _, id := range ids {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: id, ReceiptHandle: "receipt of " + id, Attributes: map[string]string{queue.AttrGroup: id[:1]},
		})
	}
	return e
}

var errBusy = errors.New("the store is busy")

// checkHandedBack fails unless a handler has handed back exactly these, and said why.
func checkHandedBack(t *testing.T, reasons *queue.Reasons, res events.SQSEventResponse, want ...string) {
	t.Helper()
	var back []string
	for _, f := range res.BatchItemFailures {
		back = append(back, f.ItemIdentifier)
		if why := reasons.Of(f.ItemIdentifier); why != errBusy.Error() {
			t.Errorf("%s came back because %q", f.ItemIdentifier, why)
		}
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("handed back (-want +got):\n%s", diff)
	}
}

func TestEachGroup(t *testing.T) {
	ctx, reasons := queue.WithReasons(t.Context())
	res := queue.EachGroup(ctx, of("a1", "b1", "a2", "b2", "a3"), func(_ context.Context, group []events.SQSMessage) ([]events.SQSMessage, error) {
		if group[0].MessageId == "a1" {
			return group[1:], errBusy
		}
		return nil, nil
	})
	checkHandedBack(t, reasons, res, "a2", "a3")
}

func TestBeside(t *testing.T) {
	ctx, reasons := queue.WithReasons(t.Context())
	var order []string
	h := queue.Beside(
		func(ctx context.Context, e events.SQSEvent) (res events.SQSEventResponse, _ error) {
			for _, m := range e.Records {
				order = append(order, "next "+m.MessageId)
			}
			queue.HandBack(ctx, &res, "x1", errBusy)
			return res, nil
		},
		func(m events.SQSMessage) bool { return m.MessageId < "x" },
		func(_ context.Context, m events.SQSMessage) error {
			order = append(order, m.MessageId)
			if m.MessageId == "a2" {
				return errBusy
			}
			return nil
		})
	res, err := h(ctx, of("a1", "x1", "a2", "b1", "a3", "b2"))
	if err != nil {
		t.Fatal(err)
	}
	checkHandedBack(t, reasons, res, "x1", "a2", "a3")
	if diff := cmp.Diff([]string{"next x1", "a1", "a2", "b1", "b2"}, order); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
}

// TestBesideAfterAFailure: when the whole batch comes again nothing of it is done.
func TestBesideAfterAFailure(t *testing.T) {
	h := queue.Beside(
		func(context.Context, events.SQSEvent) (res events.SQSEventResponse, _ error) { return res, errBusy },
		func(m events.SQSMessage) bool { return m.MessageId == "a1" },
		func(context.Context, events.SQSMessage) error { t.Error("done"); return nil })
	if _, err := h(t.Context(), of("a1", "x1")); !errors.Is(err, errBusy) {
		t.Errorf("the error is %v", err)
	}
	if _, err := h(t.Context(), of()); err != nil {
		t.Errorf("nothing failed: %v", err)
	}
}

func TestFailed(t *testing.T) {
	for _, tt := range []struct {
		name string
		back []string
		err  error
		want []string
	}{
		{"none", nil, nil, nil},
		{"some", []string{"a2", "b1"}, nil, []string{"a2", "b1"}},
		{"one that is not of the batch", []string{"a2", "x"}, nil, []string{"a1", "a2", "b1"}},
		{"the batch", nil, errBusy, []string{"a1", "a2", "b1"}},
	} {
		var res events.SQSEventResponse
		for _, id := range tt.back {
			queue.HandBack(t.Context(), &res, id, errBusy)
		}
		got := slices.Sorted(maps.Keys(queue.Failed(of("a1", "a2", "b1"), res, tt.err)))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestReceipts(t *testing.T) {
	if diff := cmp.Diff([]string{"receipt of a1", "receipt of b1"}, queue.Receipts(of("a1", "b1").Records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
