package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/esm"
	"github.com/todoku/todoku/infra/drill/runtimeapi"
	"github.com/todoku/todoku/shared/queue"
)

// line is a queue with the function that it starts.
type line struct {
	esm.Mapping
	function *runtimeapi.Function
	endpoint string // of the server
	now      func() time.Time

	mu   sync.Mutex
	held map[string]time.Duration // receipts of messages that the function has handed back, and how far ahead the clock was then
}

// createQueue makes a queue of the plan. The visibility timeout is short where the
// drill wants to see messages again.
func createQueue(ctx context.Context, client *sqs.Client, name string, q plan.Queue, visibility time.Duration) (url, dead string, err error) {
	if q.FIFO {
		return esm.CreateQueue(ctx, client, name, visibility, q.MaxReceives)
	}
	var urls []string
	for _, name := range []string{name + "-dead", name} {
		out, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{
			QueueName: aws.String(name), Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(visibility / time.Second))},
		})
		if err != nil {
			return "", "", err
		}
		urls = append(urls, *out.QueueUrl)
	}
	return urls[1], urls[0], nil
}

// GiveUp has a queue give a message up, as SQS does after its receives.
func (c *Cloud) GiveUp(ctx context.Context, queueName, group, id, body string) error {
	in := &sqs.SendMessageInput{QueueUrl: aws.String(c.dead[queueName]), MessageBody: &body}
	if group != "" {
		in.MessageGroupId, in.MessageDeduplicationId = &group, &id
	}
	_, err := c.client.SendMessage(ctx, in)
	return err
}

// Lose makes a queue anew, without what it held. Emptying it would leave behind what it
// remembers of five minutes, by the server's own clock, against messages that come twice.
func (c *Cloud) Lose(ctx context.Context, name string) error {
	url := c.lines[name].QueueURL
	if _, err := c.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		return err
	}
	i := slices.IndexFunc(plan.Queues, func(q plan.Queue) bool { return q.Name == name })
	_, _, err := createQueue(ctx, c.client, strings.TrimSuffix(url[strings.LastIndexByte(url, '/')+1:], ".fifo"), plan.Queues[i], c.visibility(name))
	return err
}

// handle has the function handle a batch.
func (l *line) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	var res events.SQSEventResponse
	out, err := l.function.Invoke(ctx, e)
	if err == nil {
		err = json.Unmarshal(out, &res)
	}
	failed := queue.Failed(e, res, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range e.Records {
		if failed[m.MessageId] {
			l.held[m.ReceiptHandle] = time.Until(l.now())
		}
	}
	return res, err
}

// content is what a queue holds, as fauxqs shows it.
type content struct {
	Messages struct {
		Ready    []message
		Inflight []inflight
	}
}

type message struct{ MessageGroupID string }

type inflight struct {
	Message            message
	ReceiptHandle      string
	VisibilityDeadline float64 // milliseconds since 1970
}

func (l *line) content(ctx context.Context) (content, error) {
	var c content
	name := l.QueueURL[strings.LastIndexByte(l.QueueURL, '/')+1:]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.endpoint+"/_fauxqs/queues/"+name, nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return c, fmt.Errorf("cloud: content of %s: %s", name, res.Status)
	}
	err = json.NewDecoder(res.Body).Decode(&c)
	return c, err
}

// isHeld reports whether a message is hidden until a time, not being handled, and how far
// the clock was ahead of the server's when it was hidden.
func (l *line) isHeld(m inflight) (ahead time.Duration, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead, held = l.held[m.ReceiptHandle]
	return ahead, held
}

// waiting counts the messages that are handled or could be now, and those that are
// hidden, or behind a hidden one of their group.
func (l *line) waiting(ctx context.Context) (now, later int, err error) {
	c, err := l.content(ctx)
	if err != nil {
		return 0, 0, err
	}
	hidden := map[string]bool{}
	for _, m := range c.Messages.Inflight {
		if _, held := l.isHeld(m); held {
			hidden[m.Message.MessageGroupID] = true
			later++
		} else {
			now++
		}
	}
	for _, m := range c.Messages.Ready {
		if m.MessageGroupID != "" && hidden[m.MessageGroupID] {
			later++
		} else {
			now++
		}
	}
	return now, later, nil
}

// release makes the messages visible that are so by the clock, whatever the server's says.
func (l *line) release(ctx context.Context) error {
	c, err := l.content(ctx)
	if err != nil {
		return err
	}
	now := l.now()
	for _, m := range c.Messages.Inflight {
		ahead, held := l.isHeld(m)
		if !held || time.UnixMilli(int64(m.VisibilityDeadline)).Add(ahead).After(now) {
			continue
		}
		_, err := l.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &l.QueueURL, ReceiptHandle: aws.String(m.ReceiptHandle), VisibilityTimeout: 0,
		})
		if err != nil && !strings.Contains(err.Error(), "MessageNotInflight") {
			return err
		}
	}
	return nil
}
