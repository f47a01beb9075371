package sqs_test

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/todoku/todoku/infra/drill/esm"
	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/queuetest"
	"github.com/todoku/todoku/shared/queue/sqs"
)

// TestConformance holds the adapter to the suite against two servers, because each
// is unlike SQS somewhere. What the one cannot show the other does.
func TestConformance(t *testing.T) {
	t.Run("fauxqs", func(t *testing.T) { conform(t, peers.SQSClient(peers.Fauxqs(t)), 0, fauxqsDeviations) })
	t.Run("moto", func(t *testing.T) { conform(t, peers.SQSClient(peers.Moto(t)), motoPollers, motoDeviations) })
}

// motoPollers is one, because two calls that wait in moto for messages both get the
// same group: each looks at the groups in flight when it begins to wait.
const motoPollers = 1

// TestSettle has a group go on while another of its batch is still handled.
func TestSettle(t *testing.T) {
	client := peers.SQSClient(peers.Fauxqs(t))
	s, url := open(t, client, "settle", 1)
	for _, id := range []string{"a1", "a2", "b1", "b2"} {
		if err := s.Queue.Send(t.Context(), queue.Message{Group: id[:1], ID: id, Body: id}); err != nil {
			t.Fatal(err)
		}
	}
	bodies := func(msgs []types.Message) (got []string) {
		for _, m := range msgs {
			got = append(got, *m.Body)
		}
		return got
	}
	batch := receive(t, client, url)
	if got := bodies(batch); !slices.Equal(got, []string{"a1", "b1"}) {
		t.Fatalf("a batch of %v", got)
	}
	settler, ok := s.Queue.(queue.Settler)
	if !ok {
		t.Fatal("the queue settles nothing")
	}
	if err := settler.Settle(t.Context(), *batch[0].ReceiptHandle); err != nil {
		t.Fatal(err)
	}
	if got := bodies(receive(t, client, url)); !slices.Equal(got, []string{"a2"}) {
		t.Errorf("after a1 was settled came %v, want a2 only", got)
	}
	if err := settler.Settle(t.Context(), *batch[0].ReceiptHandle); err != nil {
		t.Errorf("what is settled cannot be deleted once more: %v", err)
	}
}

// deviation is a difference between a server and SQS because of which a test of
// the suite cannot be run against it. It is shown in its stead: a version of the
// server that has been mended fails here, and the exception goes.
type deviation struct {
	why   string
	shown func(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool
}

// conform gives each test of the suite a queue of its own.
func conform(t *testing.T, client *awssqs.Client, pollers int, deviations map[string]deviation) {
	t.Parallel()
	queues := 0
	subject := func(t *testing.T) (queuetest.Subject, string) {
		queues++
		return open(t, client, fmt.Sprintf("queue-%d", queues), pollers)
	}
	in := func(t *testing.T, test func(*testing.T)) {
		d, ok := deviations[strings.ReplaceAll(path.Base(t.Name()), "_", " ")]
		if !ok {
			test(t)
			return
		}
		s, url := subject(t)
		if !d.shown(t, s, func() []types.Message { return receive(t, client, url) }) {
			t.Errorf("the server does as SQS does, take the exception out: %s", d.why)
		}
	}
	queuetest.Run(t, in, func(t *testing.T) queuetest.Subject {
		s, _ := subject(t)
		return s
	})
}

func open(t *testing.T, client *awssqs.Client, name string, pollers int) (s queuetest.Subject, url string) {
	t.Helper()
	const visibility, maxReceives = 3 * time.Second, 3
	url, _, err := esm.CreateQueue(t.Context(), client, name, visibility, maxReceives)
	if err != nil {
		t.Fatal(err)
	}
	m := &esm.Mapping{Client: client, QueueURL: url, Pollers: pollers, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	return queuetest.Subject{
		Queue:       sqs.New(client, url),
		Run:         m.Run,
		Visibility:  visibility,
		MaxReceives: maxReceives,
	}, url
}

// receive returns the messages that one call gets.
func receive(t *testing.T, client *awssqs.Client, url string) []types.Message {
	t.Helper()
	out, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(url), MaxNumberOfMessages: queue.MaxBatch,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

var fauxqsDeviations = map[string]deviation{
	"one batch of a group in flight": {
		why: "it gives one message of each group to a call, so that a batch holds every group and no two can be at work at once; SQS gives as many of one group as it can: " +
			"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html",
		shown: func(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool {
			send(t, s, "a", "b", "c")
			return len(receive()) == 1
		},
	},
	"limits": {
		why: "it refuses characters beyond U+FFFF, which SQS takes: " +
			"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html",
		shown: func(t *testing.T, s queuetest.Subject, _ func() []types.Message) bool {
			return s.Send(t.Context(), queue.Message{Group: "g", ID: "i", Body: "\U0001F4EE"}) != nil
		},
	},
}

// The reasons why moto cannot show what it does to groups; see
// moto/sqs/models.py, receive_message and add_message.
const (
	motoForgets = "it looks for duplicates among the messages that are still in the queue; SQS looks among those of five minutes: " +
		"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html"
	motoReorders = "of a group whose visibility timeout ended it hands out the last message first and alone; SQS keeps the order"
	motoMixes    = "it fills a batch in the order sent, so that one holds every group and no two can be at work at once; SQS gives as many of one group as it can: " +
		"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"
	motoTrusts = "it takes a receipt whose visibility timeout has ended, after the message was handed out again; SQS wants the newest: " +
		"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"
	motoDices = "it draws sequence numbers at random; SQS counts: " +
		"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"
)

var motoDeviations = map[string]deviation{
	"an event looks like one from SQS":           {why: motoDices, shown: numbersAtRandom},
	"duplicates":                                 {why: motoForgets, shown: deliversDuplicates},
	"a failure hands back the rest of its group": {why: motoReorders, shown: losesOrder},
	"ways for a whole batch to fail":             {why: motoReorders, shown: losesOrder},
	"one batch of a group in flight":             {why: motoMixes, shown: mixesGroups},
	"an overrun handler":                         {why: motoTrusts, shown: trustsOldReceipts},
}

// numbersAtRandom looks at twenty sequence numbers, which are in order by chance
// once in twenty factorial.
func numbersAtRandom(t *testing.T, s queuetest.Subject, _ func() []types.Message) bool {
	ctx, cancel := context.WithCancel(t.Context())
	send(t, s, strings.Fields("a b c d e f g h i j k l m n o p q r s t")...)
	var mu sync.Mutex
	var numbers []string
	err := s.Run(ctx, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range e.Records {
			numbers = append(numbers, r.Attributes[queue.AttrSequence])
		}
		if len(numbers) >= 20 {
			cancel()
		}
		return events.SQSEventResponse{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return !slices.IsSorted(numbers)
}

// mixesGroups looks at the first batch of ten groups with two messages each.
func mixesGroups(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool {
	for i := range 20 {
		m := queue.Message{Group: strconv.Itoa(i % 10), ID: strconv.Itoa(i), Body: "x"}
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	groups := map[string]bool{}
	for _, m := range receive() {
		groups[m.Attributes[queue.AttrGroup]] = true
	}
	return len(groups) == 10
}

func deliversDuplicates(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool {
	ctx, cancel := context.WithCancel(t.Context())
	send(t, s, "a")
	err := s.Run(ctx, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		cancel()
		return events.SQSEventResponse{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, s, "a")
	return len(receive()) == 1
}

// trustsOldReceipts postpones a message by the receipt before its last.
func trustsOldReceipts(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool {
	send(t, s, "a")
	old := receive()
	time.Sleep(s.Visibility + time.Second) // the server keeps its own time
	if again := receive(); len(old) != 1 || len(again) != 1 || *old[0].ReceiptHandle == *again[0].ReceiptHandle {
		t.Fatalf("%d messages, then %d", len(old), len(again))
	}
	return s.Postpone(t.Context(), time.Second, *old[0].ReceiptHandle) == nil
}

// losesOrder receives three messages of one group, lets their time run out and
// looks whether they come back together.
func losesOrder(t *testing.T, s queuetest.Subject, receive func() []types.Message) bool {
	send(t, s, "a", "b", "c")
	if n := len(receive()); n != 3 {
		t.Fatalf("received %d messages, want 3", n)
	}
	time.Sleep(s.Visibility + time.Second) // the server keeps its own time
	return len(receive()) != 3
}

// send puts messages with these ids into one group.
func send(t *testing.T, s queuetest.Subject, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Send(t.Context(), queue.Message{Group: "g", ID: id, Body: "x"}); err != nil {
			t.Fatal(err)
		}
	}
}
