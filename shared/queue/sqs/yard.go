package sqs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/todoku/todoku/shared/queue"
)

// Yard empties queues of dead letters, and puts letters back into their queues, FIFO or
// not. The role that its client acts for needs ReceiveMessage and DeleteMessage on the
// former, SendMessage on the latter.
type Yard struct{ client *sqs.Client }

// rounds bounds one call of Take: the next goes on.
const rounds = 10

// Take gives every message that the queue hands out to keep, with SQS's name of it, and
// deletes it once it was kept.
func (y *Yard) Take(ctx context.Context, url string, keep func(id string, l queue.DeadLetter) error) error {
	for range rounds {
		out, err := y.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: maxEntries,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			return fault(ctx, err)
		}
		if len(out.Messages) == 0 {
			return nil
		}
		for i := range out.Messages {
			m := &out.Messages[i]
			if err := keep(aws.ToString(m.MessageId), letter(m)); err != nil {
				return err
			}
			if _, err := y.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return fault(ctx, err)
			}
		}
	}
	return nil
}

// letter reads a message. Its receives include this one.
func letter(m *types.Message) queue.DeadLetter {
	receives, _ := strconv.Atoi(m.Attributes[queue.AttrReceiveCount])
	return queue.DeadLetter{
		Message:  queue.Message{Group: m.Attributes[queue.AttrGroup], ID: m.Attributes[queue.AttrID], Body: aws.ToString(m.Body)},
		Receives: max(receives-1, 0),
	}
}

// Put puts a letter back at the end of its group, or of its queue if it has none. A queue
// drops what it has seen within its interval, so it gets a new name each second.
func (y *Yard) Put(ctx context.Context, url string, m queue.Message, now time.Time) error {
	in := &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: &m.Body}}}
	if m.Group != "" {
		name := strconv.FormatInt(now.Unix(), 36) + "-" + m.ID
		in.Entries[0].MessageGroupId = &m.Group
		in.Entries[0].MessageDeduplicationId = aws.String(name[:min(len(name), queue.MaxIDBytes)])
	}
	out, err := y.client.SendMessageBatch(ctx, in)
	if err != nil {
		return fault(ctx, err)
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("sqs: a letter was not taken: %s", aws.ToString(out.Failed[0].Code))
	}
	return nil
}
