package bbolt

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
)

func TestRecords(t *testing.T) {
	message := stored{Sent: 1530878400000, ID: "01JALERT-7", Body: "下校"}
	failed := attempt{Receives: 300, First: 1530878400001, Reason: "no\x00where"}
	letter := deadLetter{Group: "docomo#1", Died: 1530878400002, Failed: failed, stored: message}
	state := groupState{Count: 10, At: 1530878400003}
	for name, value := range map[string][]byte{
		"message":     message.encode(),
		"attempt":     failed.encode(),
		"dead letter": letter.encode(),
		"group":       state.encode(),
	} {
		decode := map[string]func([]byte) (any, error){
			"message":     func(v []byte) (any, error) { return decodeStored(v) },
			"attempt":     func(v []byte) (any, error) { return decodeAttempt(v) },
			"dead letter": func(v []byte) (any, error) { return decodeDeadLetter(v) },
			"group":       func(v []byte) (any, error) { return decodeGroupState(v) },
		}[name]
		want := map[string]any{"message": message, "attempt": failed, "dead letter": letter, "group": state}[name]
		got, err := decode(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(deadLetter{})); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
		if _, err := decode(value[:3]); err == nil {
			t.Errorf("%s: cut off after 3 bytes and read all the same", name)
		}
	}
}

func TestKeys(t *testing.T) {
	// In the order in which they must lie in the file.
	keys := []struct {
		group string
		seq   uint64
	}{{"!", 1 << 40}, {"a", 1}, {"a", 2}, {"a", 255}, {"a", 256}, {"a", 1 << 63}, {"a!", 1}, {"ab", 1}, {"b", 1}}
	var last []byte
	for _, k := range keys {
		key := messageKey(k.group, k.seq)
		if bytes.Compare(last, key) >= 0 {
			t.Errorf("%v does not come after its predecessor", k)
		}
		last = key
		if group, seq := splitKey(key); group != k.group || seq != k.seq {
			t.Errorf("%v reads as %s %d", k, group, seq)
		}
		if k.group != "a" && bytes.HasPrefix(key, groupPrefix("a")) {
			t.Errorf("%v is taken for one of group a", k)
		}
	}
}

func TestEvent(t *testing.T) {
	q := &Queue{cfg: Config{Name: "dispatch"}, epoch: "e"}
	b := &batch{number: 41, parts: []*part{
		{group: &group{name: "docomo#1"}, entries: []entry{{
			seq:     7,
			stored:  stored{Sent: 1530878400000, ID: "id-7", Body: "hello"},
			attempt: attempt{Receives: 2, First: 1530878400500},
		}}},
		{group: &group{name: "au#0"}, entries: []entry{{seq: 9}}},
	}}
	got := q.event(b)
	want := events.SQSMessage{
		MessageId:     "dispatch-7",
		ReceiptHandle: "e-15-0",
		Body:          "hello",
		Md5OfBody:     "5d41402abc4b2a76b9719d911017c592",
		Attributes: map[string]string{
			"ApproximateFirstReceiveTimestamp": "1530878400500",
			"ApproximateReceiveCount":          "2",
			"MessageDeduplicationId":           "id-7",
			"MessageGroupId":                   "docomo#1",
			"SenderId":                         "todoku",
			"SentTimestamp":                    "1530878400000",
			"SequenceNumber":                   "00000000000000000007",
		},
		MessageAttributes: map[string]events.SQSMessageAttribute{},
		EventSource:       "aws:sqs",
		EventSourceARN:    "arn:aws:sqs:local:000000000000:dispatch.fifo",
		AWSRegion:         "local",
	}
	if diff := cmp.Diff(want, got.Records[0]); diff != "" {
		t.Errorf("first record (-want +got):\n%s", diff)
	}
	if got.Records[1].ReceiptHandle != "e-15-1" || got.Records[1].Attributes[queue.AttrGroup] != "au#0" {
		t.Errorf("second record: %+v", got.Records[1])
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}
