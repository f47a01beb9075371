package bbolt

import (
	"crypto/md5" //nolint:gosec // what SQS calls md5OfBody; it secures nothing
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
)

// region stands where a message from AWS names its region.
const region = "local"

// event returns a batch as AWS Lambda would pass it.
func (q *Queue) event(b *batch) events.SQSEvent {
	e := events.SQSEvent{Records: make([]events.SQSMessage, 0, queue.MaxBatch)}
	index := 0
	for _, p := range b.parts {
		for _, m := range p.entries {
			record := q.record(p.group.name, m)
			record.ReceiptHandle = q.receipt(b.number, index)
			e.Records = append(e.Records, record)
			index++
		}
	}
	return e
}

func (q *Queue) record(group string, e entry) events.SQSMessage {
	sum := md5.Sum([]byte(e.Body)) //nolint:gosec // as SQS has it; it secures nothing
	return events.SQSMessage{
		MessageId: q.messageID(e.seq),
		Body:      e.Body,
		Md5OfBody: hex.EncodeToString(sum[:]),
		Attributes: map[string]string{
			queue.AttrGroup:        group,
			queue.AttrID:           e.ID,
			queue.AttrReceiveCount: strconv.Itoa(e.Receives),
			queue.AttrSent:         strconv.FormatInt(e.Sent, 10),
			queue.AttrFirstReceive: strconv.FormatInt(e.First, 10),
			queue.AttrSequence:     fmt.Sprintf("%020d", e.seq),
			"SenderId":             "todoku",
		},
		MessageAttributes: map[string]events.SQSMessageAttribute{},
		EventSource:       "aws:sqs",
		EventSourceARN:    "arn:aws:sqs:" + region + ":000000000000:" + q.cfg.Name + ".fifo",
		AWSRegion:         region,
	}
}

// messageID names a message in this queue for good; it differs in each queue of a
// file.
func (q *Queue) messageID(seq uint64) string {
	return q.cfg.Name + "-" + strconv.FormatUint(seq, 10)
}
