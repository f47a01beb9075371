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
			err := fmt.Errorf("panic: %T", v)
			m.Log.Warn("esm: handler panicked", "messages", len(e.Records), "err", err)
			failed = queue.Failed(e, events.SQSEventResponse{}, err)
		}
	}()
	resp, err := h(ctx, e)
	if err != nil {
		m.Log.Warn("esm: handler failed", "messages", len(e.Records), "err", err)
	}
	return queue.Failed(e, resp, err)
}
