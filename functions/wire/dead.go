package wire

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/sqs"
)

// dead keeps the letters of all queues.
func (p *Parts) dead() *dead.Store { return &dead.Store{Table: p.store, Now: p.Now} }

// letters are those of the queues that there are, as console and command see them.
func (p *Parts) letters() map[string]queue.DeadLetters {
	all := map[string]queue.DeadLetters{}
	for _, name := range dead.Queues {
		all[name] = p.dead().Queue(name)
	}
	return all
}

// giveUp has the reasons kept with which a handler fails messages that are not received
// again: SQS counts receives, and keeps no reasons.
func (p *Parts) giveUp(name string, receives int, h queue.Handler) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		with, reasons := queue.WithReasons(ctx)
		res, err := h(with, e)
		failed := queue.Failed(e, res, err)
		for _, m := range e.Records {
			if n, _ := strconv.Atoi(m.Attributes[queue.AttrReceiveCount]); n < receives || !failed[m.MessageId] {
				continue
			}
			why := reasons.Of(m.MessageId)
			if err != nil {
				why = err.Error()
			}
			p.Log.Error("a message is given up", "queue", name, "message", m.MessageId, "why", why)
			if err := p.dead().Because(context.WithoutCancel(ctx), name, m.MessageId, why); err != nil {
				p.Log.Warn("why a message is given up was not kept", "queue", name, "message", m.MessageId, "err", err)
			}
		}
		return res, err
	}
}

// bury takes what was given up out of the queues of dead letters, and puts back what is to
// be tried again. The tick calls it.
func (p *Parts) bury(ctx context.Context) error {
	yard := sqs.OpenYard(p.aws)
	var errs []error
	for name, url := range p.Config.Dead {
		errs = append(errs, yard.Take(ctx, url, func(id string, l queue.DeadLetter) error {
			l.Died = p.Now()
			return p.dead().Bury(ctx, name, id, l)
		}))
	}
	live := map[string]string{"jobs": p.Config.JobsURL, "copies": p.Config.CopiesURL, "events": p.Config.EventsURL, "mails": p.Config.MailsURL}
	maps.DeleteFunc(live, func(_, url string) bool { return url == "" }) // inbound mail is not for everybody
	errs = append(errs, p.dead().Return(ctx, slices.Collect(maps.Keys(live)), func(ctx context.Context, name string, m queue.Message) error {
		return yard.Put(ctx, live[name], m, p.Now())
	}))
	return errors.Join(errs...)
}
