package machine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
)

// Invoke runs one function on an event by hand, as its trigger would.
func (m *Machine) Invoke(ctx context.Context, function string, event events.SQSEvent) (events.SQSEventResponse, error) {
	switch function {
	case "fanout":
		return m.fanout.Handle(ctx, event)
	case "dispatch":
		return m.copies()(ctx, event)
	case "inbound":
		return m.inbound.Handle(ctx, event)
	}
	return events.SQSEventResponse{}, problem.New(problem.NotFound,
		"「%[1]s」という関数はありません。fanout・dispatch・inbound・tick のどれかを指定してください。",
		"There is no function %[1]s. Name one of fanout, dispatch, inbound and tick.", function)
}

// Tick runs the tick once, now.
func (m *Machine) Tick(ctx context.Context) error {
	return m.tick.Handle(ctx, events.CloudWatchEvent{Time: m.cfg.Now()})
}

// Run serves until ctx ends, then stops gracefully: requests and batches that
// have begun are finished.
func (m *Machine) Run(ctx context.Context) error {
	server, err := m.pages(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.Jobs.Run(ctx, m.pump(ctx, "fanout", m.fanout.Handle)) })
	g.Go(func() error { return m.Copies.Run(ctx, m.pump(ctx, "dispatch", m.copies())) })
	g.Go(func() error { return m.Mails.Run(ctx, m.pump(ctx, "inbound", m.inbound.Handle)) })
	if m.mails != nil {
		g.Go(func() error { return m.takeMail(ctx) })
	}
	g.Go(func() error { return m.Probe.Run(ctx, m.pump(ctx, "probe", m.probes.handle)) })
	g.Go(func() error { return m.runTick(ctx) })
	g.Go(func() error { return m.serve(ctx, server, m.listener) })
	if m.metrics != nil {
		g.Go(func() error { return m.serveMetrics(ctx) })
	}
	if l := m.listenControl(); l != nil {
		g.Go(func() error {
			return m.serve(ctx, &http.Server{Handler: m.control(ctx), ReadHeaderTimeout: time.Second}, l)
		})
	}
	err = g.Wait()
	m.stopWork()
	m.works.Wait()
	return errors.Join(err, m.Gate.Flush(context.WithoutCancel(ctx)))
}

// pump returns the handler as a queue calls it: while it or the pump stands still, it waits.
func (m *Machine) pump(running context.Context, name string, h queue.Handler) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		for errors.Join(m.cfg.Fault("pump"), m.cfg.Fault(name)) != nil && running.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return h(ctx, e)
	}
}

// background runs work that outlives its request, until the Machine stops; what
// is cut off then can be taken up again.
func (m *Machine) background(work func(context.Context)) {
	m.works.Go(func() { work(m.working) })
}

// grace is how long requests that have begun may take when the Machine stops. What takes longer,
// such as a form that never comes to its end, is cut off.
const grace = 10 * time.Second

// serve serves until ctx ends, and then finishes the requests that have begun.
func (m *Machine) serve(ctx context.Context, s *http.Server, l net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			m.cfg.Log.Warn("requests were cut off, which did not end", "after", grace)
			return s.Close()
		}
		return err
	})
	return g.Wait()
}

// runTick ticks until ctx ends. What fails is logged by the handler; the next
// run tries again.
func (m *Machine) runTick(ctx context.Context) error {
	t := time.NewTicker(m.cfg.Tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if m.cfg.Fault("clock") != nil {
				continue
			}
			if err := m.Tick(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Error("tick failed", "err", err)
			}
			if err := m.Gate.Flush(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Warn("the lanes' memory was not written, it will be", "err", err)
			}
			for _, q := range m.queues() {
				if err := q.Forget(m.cfg.Now().Add(-dead.Life)); err != nil && ctx.Err() == nil {
					m.cfg.Log.Error("old dead letters not removed", "err", err)
				}
			}
			if _, err := m.Table.Sweep(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Error("expired items not removed", "err", err)
			}
		}
	}
}

// Close releases what New took. Run must have returned.
func (m *Machine) Close() error {
	m.stopWork()
	m.works.Wait()
	var errs []error
	if m.listener != nil {
		if err := m.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, l := range []net.Listener{m.mails, m.metrics} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if m.relay != nil {
		errs = append(errs, m.relay.Close())
	}
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	return errors.Join(errs...)
}
