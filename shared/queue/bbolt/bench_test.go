package bbolt_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/bbolt"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

// The load of the benchmarks: what fanning out one alert to a district makes.
const (
	load      = 100_000
	loadGroup = 60
	loadSend  = 60 // messages a Send
)

var body = strings.Repeat("x", 200)

// loadMessages returns the i-th Send of the load, which interleaves the groups.
func loadMessages(run, i int) []queue.Message {
	msgs := make([]queue.Message, loadSend)
	for j := range msgs {
		n := i*loadSend + j
		msgs[j] = queue.Message{
			Group: fmt.Sprintf("lane-%02d", n%loadGroup),
			ID:    fmt.Sprintf("01JALERT%06d-%012d", run, n),
			Body:  body,
		}
	}
	return msgs
}

func benchQueue(b *testing.B) (*bbolt.Queue, *journal.DB) {
	db, err := journal.Open(filepath.Join(b.TempDir(), "queue.db"), &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	q, err := bbolt.New(db, bbolt.Config{Concurrency: loadGroup, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return q, db
}

// sendLoad sends the load from a few senders, as fan-out does.
func sendLoad(b *testing.B, q *bbolt.Queue, run, senders int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := int(next.Add(1) - 1); i < load/loadSend; i = int(next.Add(1) - 1) {
				if err := q.Send(context.Background(), loadMessages(run, i)...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// drain handles n messages and returns.
func drain(b *testing.B, q *bbolt.Queue, n int64) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var left atomic.Int64
	left.Store(n)
	err := q.Run(ctx, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if left.Add(-int64(len(e.Records))) == 0 {
			cancel()
		}
		return events.SQSEventResponse{}, nil
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkThrough is messages a second from send to removal, both at once.
func BenchmarkThrough(b *testing.B) {
	for _, senders := range []int{1, 4} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			q, _ := benchQueue(b)
			for run := 0; b.Loop(); run++ {
				var wg sync.WaitGroup
				wg.Go(func() { sendLoad(b, q, run, senders) })
				drain(b, q, load/loadSend*loadSend)
				wg.Wait()
			}
			b.ReportMetric(float64(b.N)*load/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// BenchmarkPhases is messages a second of sending and of receiving and removing a
// waiting load, the heap that a waiting load costs, and how long a file with it
// takes to open.
func BenchmarkPhases(b *testing.B) {
	q, db := benchQueue(b)
	var sending, draining, opening time.Duration
	var grown uint64
	for run := 0; b.Loop(); run++ {
		before, start := heapInUse(), time.Now()
		sendLoad(b, q, run, 4)
		sending += time.Since(start)
		grown = max(grown, heapInUse()-before)
		start = time.Now()
		again, err := bbolt.New(db, bbolt.Config{Concurrency: loadGroup, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		opening += time.Since(start)
		runtime.KeepAlive(q) // until here it counts as heap
		q, start = again, time.Now()
		drain(b, q, load/loadSend*loadSend)
		draining += time.Since(start)
	}
	n := float64(b.N)
	b.ReportMetric(n*load/sending.Seconds(), "sent/s")
	b.ReportMetric(n*load/draining.Seconds(), "drained/s")
	b.ReportMetric(float64(opening.Milliseconds())/n, "ms/open")
	b.ReportMetric(float64(grown)/(1<<20), "MB-heap")
	if info, err := os.Stat(db.Path()); err == nil {
		b.ReportMetric(float64(info.Size())/(1<<20), "MB-file")
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
