package sqs

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/todoku/todoku/shared/queue"
)

// Limits of one SendMessageBatch:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxEntries    = 10
	maxBatchBytes = 1 << 20
)

// longestHidden leaves room, within the 12 hours that SQS counts from when it
// handed a message out, for the longest run of a Lambda function.
const longestHidden = queue.MaxDelay - 15*time.Minute

// interleave takes the groups in turn, and the messages of each in their order.
func interleave(msgs []queue.Message) []queue.Message {
	groups := map[string][]queue.Message{}
	var order []string
	for _, m := range msgs {
		if _, seen := groups[m.Group]; !seen {
			order = append(order, m.Group)
		}
		groups[m.Group] = append(groups[m.Group], m)
	}
	out := make([]queue.Message, 0, len(msgs))
	for len(order) > 0 {
		left := order[:0]
		for _, g := range order {
			out = append(out, groups[g][0])
			if groups[g] = groups[g][1:]; len(groups[g]) > 0 {
				left = append(left, g)
			}
		}
		order = left
	}
	return out
}

// batches cuts msgs into as few calls as the limits allow without another order.
func batches(msgs []queue.Message) [][]queue.Message {
	var all [][]queue.Message
	size := 0
	for i, m := range msgs {
		last := len(all) - 1
		if i == 0 || len(all[last]) == maxEntries || size+len(m.Body) > maxBatchBytes {
			all, size, last = append(all, nil), 0, last+1
		}
		all[last] = append(all[last], m)
		size += len(m.Body)
	}
	return all
}

// sendRequest names the entries by their index.
func sendRequest(url string, batch []queue.Message) *sqs.SendMessageBatchInput {
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for i, m := range batch {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id:                     aws.String(strconv.Itoa(i)),
			MessageBody:            aws.String(m.Body),
			MessageGroupId:         aws.String(m.Group),
			MessageDeduplicationId: aws.String(m.ID),
		})
	}
	return in
}

// putOff returns those of the batch that SQS has not taken, in their order. A
// refusal that is the sender's fault is an error.
func putOff(batch []queue.Message, out *sqs.SendMessageBatchOutput) ([]queue.Message, error) {
	failed := map[string]bool{}
	for _, f := range out.Failed {
		if f.SenderFault {
			return nil, fmt.Errorf("%w: SQS refused a message: %s", queue.ErrInvalid, aws.ToString(f.Code))
		}
		failed[aws.ToString(f.Id)] = true
	}
	var left []queue.Message
	for i, m := range batch {
		if failed[strconv.Itoa(i)] {
			left = append(left, m)
		}
	}
	return left, nil
}

// postponeRequest names the entries by their index.
func postponeRequest(url string, d time.Duration, receipts []string) *sqs.ChangeMessageVisibilityBatchInput {
	seconds := (min(d, longestHidden) + time.Second - 1) / time.Second
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt), VisibilityTimeout: int32(seconds),
		})
	}
	return in
}

func settleRequest(url string, receipts []string) *sqs.DeleteMessageBatchInput {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)})
	}
	return in
}
