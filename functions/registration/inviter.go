package registration

import (
	"context"
	"errors"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/queue"
)

// Inviter sends the invitations among the messages of the copies' queue.
type Inviter struct {
	Poster *enrol.Poster
	Log    *slog.Logger
}

// After returns a handler that hands the copies of a batch to next, and then sends
// the batch's invitations, one by one: alerts come first, and a slot is never used
// twice at once. An invitation that an operator puts off holds up nothing, because
// it is not handed back: it comes again through the tick.
func (i *Inviter) After(next queue.Handler) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		var copies, mine []events.SQSMessage
		for _, m := range e.Records {
			if enrol.IsInvitation(m.Body) {
				mine = append(mine, m)
			} else {
				copies = append(copies, m)
			}
		}
		var res events.SQSEventResponse
		if len(copies) > 0 {
			var err error
			if res, err = next(ctx, events.SQSEvent{Records: copies}); err != nil {
				return res, err
			}
		}
		for _, m := range mine {
			err := i.Poster.Invite(ctx, m.Body)
			if errors.Is(err, enrol.ErrUntold) {
				i.Log.Error("the school's mail is not taken: it was not told of a lost route", "err", err)
				continue
			}
			if err != nil {
				i.Log.Warn("invitation handed back", "message", m.MessageId, "err", err)
				res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		return res, nil
	}
}
