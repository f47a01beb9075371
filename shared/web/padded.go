package web

import (
	"context"
	"time"
)

// MailPause is longer than it takes to find somebody and to hand SES a mail.
const MailPause = 2 * time.Second

// Padded does work within the request, which takes MailPause in any case: nobody sees by
// time whether there was a mail to be sent. It is for where no work outlives its request.
func Padded(ctx context.Context, work func(ctx context.Context)) {
	pause := time.NewTimer(MailPause)
	defer pause.Stop()
	work(ctx)
	<-pause.C
}
