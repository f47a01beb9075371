package sqs_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/todoku/todoku/infra/drill/esm"
	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/shared/queue/queuetest"
	"github.com/todoku/todoku/shared/queue/sqs"
)

func TestConformanceFauxqs(t *testing.T) {
	conform(t, peers.SQSClient(peers.Fauxqs(t)))
}

func TestConformanceMoto(t *testing.T) {
	conform(t, peers.SQSClient(peers.Moto(t)))
}

// conform gives each test of the suite a queue of its own.
func conform(t *testing.T, client *awssqs.Client) {
	t.Parallel()
	queues := 0
	queuetest.Run(t, queuetest.RealTime, func(t *testing.T) queuetest.Subject {
		queues++
		return open(t, client, fmt.Sprintf("queue-%d", queues))
	})
}

func open(t *testing.T, client *awssqs.Client, name string) queuetest.Subject {
	t.Helper()
	const visibility, maxReceives = 3 * time.Second, 3
	url, _, err := esm.CreateQueue(t.Context(), client, name, visibility, maxReceives)
	if err != nil {
		t.Fatal(err)
	}
	m := &esm.Mapping{Client: client, QueueURL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	return queuetest.Subject{
		Queue:       sqs.New(client, url),
		Run:         m.Run,
		Visibility:  visibility,
		MaxReceives: maxReceives,
	}
}
