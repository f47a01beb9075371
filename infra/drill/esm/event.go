package esm

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/todoku/todoku/shared/queue"
)

// event returns messages as Lambda would pass them on.
func event(arn string, msgs []types.Message) events.SQSEvent {
	e := events.SQSEvent{Records: make([]events.SQSMessage, len(msgs))}
	for i, m := range msgs {
		e.Records[i] = events.SQSMessage{
			MessageId:         aws.ToString(m.MessageId),
			ReceiptHandle:     aws.ToString(m.ReceiptHandle),
			Body:              aws.ToString(m.Body),
			Md5OfBody:         aws.ToString(m.MD5OfBody),
			Attributes:        m.Attributes,
			MessageAttributes: messageAttributes(m.MessageAttributes),
			EventSource:       "aws:sqs",
			EventSourceARN:    arn,
			AWSRegion:         region(arn),
		}
	}
	return e
}

func messageAttributes(in map[string]types.MessageAttributeValue) map[string]events.SQSMessageAttribute {
	out := make(map[string]events.SQSMessageAttribute, len(in))
	for name, v := range in {
		out[name] = events.SQSMessageAttribute{
			DataType: aws.ToString(v.DataType), StringValue: v.StringValue, BinaryValue: v.BinaryValue,
		}
	}
	return out
}

// region returns the fourth part of arn:aws:sqs:REGION:ACCOUNT:NAME.
func region(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 4 {
		return ""
	}
	return parts[3]
}

// call returns the ids of the messages that failed.
func (m *Mapping) call(ctx context.Context, h queue.Handler, e events.SQSEvent) (failed map[string]bool) {
	defer func() {
		if v := recover(); v != nil {
			m.Log.Warn("esm: handler panicked", "messages", len(e.Records), "panic", fmt.Sprintf("%T", v))
			failed = everything(e)
		}
	}()
	resp, err := h(ctx, e)
	if err != nil {
		m.Log.Warn("esm: handler failed", "messages", len(e.Records), "err", err)
		return everything(e)
	}
	return failures(e, resp)
}

func everything(e events.SQSEvent) map[string]bool {
	all := make(map[string]bool, len(e.Records))
	for _, m := range e.Records {
		all[m.MessageId] = true
	}
	return all
}

// failures reads a response as Lambda does: a failure that names no message of the
// batch fails all of it.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func failures(e events.SQSEvent, resp events.SQSEventResponse) map[string]bool {
	all, failed := everything(e), map[string]bool{}
	for _, f := range resp.BatchItemFailures {
		if !all[f.ItemIdentifier] {
			return all
		}
		failed[f.ItemIdentifier] = true
	}
	return failed
}
