package esm

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// CreateQueue makes a FIFO queue as the stack does, and the queue of its dead
// letters, and returns the addresses of both. visibility is in whole seconds; name
// comes without the ".fifo" that such a queue's must end in.
func CreateQueue(ctx context.Context, client *sqs.Client, name string, visibility time.Duration, maxReceives int) (url, dead string, err error) {
	dead, err = create(ctx, client, name+"-dead.fifo", nil)
	if err != nil {
		return "", "", err
	}
	arn, err := (&Mapping{Client: client, QueueURL: dead}).queueARN(ctx)
	if err != nil {
		return "", "", fmt.Errorf("esm: name of the queue %s: %w", dead, err)
	}
	redrive, err := json.Marshal(map[string]any{"deadLetterTargetArn": arn, "maxReceiveCount": maxReceives})
	if err != nil {
		return "", "", err
	}
	url, err = create(ctx, client, name+".fifo", map[types.QueueAttributeName]string{
		types.QueueAttributeNameVisibilityTimeout: strconv.Itoa(int(visibility / time.Second)),
		types.QueueAttributeNameRedrivePolicy:     string(redrive),
	})
	return url, dead, err
}

// create makes a FIFO queue in high-throughput mode.
func create(ctx context.Context, client *sqs.Client, name string, more map[types.QueueAttributeName]string) (url string, err error) {
	in := &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		string(types.QueueAttributeNameFifoQueue):           "true",
		string(types.QueueAttributeNameDeduplicationScope):  "messageGroup",
		string(types.QueueAttributeNameFifoThroughputLimit): "perMessageGroupId",
	}}
	for k, v := range more {
		in.Attributes[string(k)] = v
	}
	out, err := client.CreateQueue(ctx, in)
	if err != nil {
		return "", fmt.Errorf("esm: create queue %s: %w", name, err)
	}
	return *out.QueueUrl, nil
}
