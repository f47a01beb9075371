package drill

import (
	"net/http"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/queue"
)

// Prices in US dollars in ap-northeast-1, without the free tier, of one of each:
const (
	sesPrice     = 0.10 / 1e3   // a mail, a la carte: https://aws.amazon.com/ses/pricing/
	writePrice   = 0.715 / 1e6  // a write unit, on demand: https://aws.amazon.com/dynamodb/pricing/on-demand/
	readPrice    = 0.1425 / 1e6 // a read unit
	fifoPrice    = 0.50 / 1e6   // a request to a FIFO queue: https://aws.amazon.com/sqs/pricing/
	queuePrice   = 0.40 / 1e6   // to a standard one
	invokePrice  = 0.20 / 1e6   // an invocation: https://aws.amazon.com/lambda/pricing/
	secondPrice  = 0.0000133334 // a second with 1 GB on arm64
	gatewayPrice = 1.29 / 1e6   // a request to an HTTP API: https://aws.amazon.com/api-gateway/pricing/
	topicPrice   = 0.50 / 1e6   // a message to a topic; to a queue it costs nothing: https://aws.amazon.com/sns/pricing/
	secretPrice  = 0.05 / 1e4   // a secret read: https://aws.amazon.com/secrets-manager/pricing/
)

// What everything but SES may cost, as a share of the price of the mails: of an
// alert alone, and with an answer of each recipient. An answer is most of all two requests
// of pages and a write of four items.
const (
	mostOfAlert  = 0.10
	mostOfAnswer = 0.28
)

// usage is how much of everything was used.
type usage struct {
	read, write               float64
	fifo, queue, invoked      float64
	gateway, topic, gbSeconds float64
	secrets, mails            float64
}

func (u usage) minus(v usage) usage {
	return usage{
		u.read - v.read, u.write - v.write, u.fifo - v.fifo, u.queue - v.queue, u.invoked - v.invoked,
		u.gateway - v.gateway, u.topic - v.topic, u.gbSeconds - v.gbSeconds, u.secrets - v.secrets, u.mails - v.mails,
	}
}

// usage reads the meters. What Lambda itself asks of a queue is a receive and a
// delete for each batch; its polls of an empty queue, about as many in a month
// whatever is sent, are left out.
func (d *deployment) usage() usage {
	r := d.Requests()
	u := usage{
		mails: float64(d.SES.Stats().Accepted), secrets: float64(r["secretsmanager.GetSecretValue"]),
		fifo:  float64(r["AmazonSQS.SendMessageBatch"] + r["AmazonSQS.ChangeMessageVisibilityBatch"] + r["AmazonSQS.DeleteMessageBatch"]),
		topic: float64(d.SES.Stats().Accepted), // Delivery
	}
	u.read, u.write = d.Units()
	_, conflicts := d.Refused()
	u.write -= conflicts.Units // the busier this machine, the more
	for _, f := range plan.Functions {
		fn := d.Functions[f.Name]
		if fn == nil {
			continue
		}
		s := fn.Stats()
		u.invoked += float64(s.Invocations)
		u.gbSeconds += s.Billed.Seconds() * float64(f.Memory) / 1024
		switch t := f.Trigger.(type) {
		case plan.HTTP:
			u.gateway += float64(s.Invocations)
		case plan.FromQueue:
			if t.Queue == plan.Events {
				// Lambda fetches and deletes ten at most with one request.
				u.queue += 2 * max(float64(s.Invocations), u.mails/queue.MaxBatch)
			} else {
				u.fifo += 2 * float64(s.Invocations)
			}
		}
	}
	return u
}

// print prints the table for so many recipients and returns the sum in dollars
// without SES, each for 1,000 of them.
func (u usage) print(t testing.TB, what string, recipients float64) (dollars float64) {
	t.Helper()
	t.Logf("%s, for 1,000 recipients:", what)
	for _, row := range []struct {
		name   string
		amount float64
		price  float64
	}{
		{"DynamoDB write units", u.write, writePrice}, {"DynamoDB read units", u.read, readPrice},
		{"SQS FIFO requests", u.fifo, fifoPrice}, {"SQS requests", u.queue, queuePrice},
		{"Lambda invocations", u.invoked, invokePrice}, {"Lambda GB-s", u.gbSeconds, secondPrice},
		{"HTTP API requests", u.gateway, gatewayPrice}, {"SNS messages", u.topic, topicPrice},
		{"secrets read", u.secrets, secretPrice},
	} {
		amount := row.amount * 1000 / recipients
		t.Logf("  %-22s %10.1f  %.5f USD", row.name, amount, amount*row.price)
		dollars += amount * row.price
	}
	return dollars
}

// awsCost counts what an alert costs, and what answers to it do.
func awsCost(t *testing.T, cfg cloud.Config) {
	const answers = 30
	recipients := int(env(t, "COST_RECIPIENTS", 300))
	cfg.Windows = true
	cfg.SES = sesfake.Config{Fate: func(string) []sesfake.Step { return []sesfake.Step{{Kind: sesfake.Delivery, After: time.Second}} }}
	d := deploy(t, cfg, recipients)
	d.remember()
	before := d.usage()
	alert := d.send("cost")
	d.accepted(alert, recipients, patience)
	(&Drill{TB: t}).Until("all events are recorded", func() bool {
		now, later, err := d.Cloud.Waiting(t.Context())
		return err == nil && now+later == 0
	})
	sent := d.usage()
	const ses = 1000 * sesPrice
	alone := sent.minus(before).print(t, "an alert", float64(recipients)) / ses
	d.answer(answers)
	whole := alone + d.usage().minus(sent).print(t, "an answer of each", answers)/ses
	conditions, conflicts := d.Refused()
	t.Logf("of them refused: %d writes, %.0f units", conditions.Writes, conditions.Units)
	t.Logf("and, not among them, because another transaction was in the way: %d writes, %.0f units", conflicts.Writes, conflicts.Units)
	t.Logf("everything but SES: %.1f %% of SES's %.2f USD, with answers %.1f %%", 100*alone, ses, 100*whole)
	if alone > mostOfAlert || whole > mostOfAnswer {
		t.Errorf("that is more than %.0f %%, with answers %.0f %%", 100*mostOfAlert, 100*mostOfAnswer)
	}
}

// answer opens the links of so many mails and answers.
func (d *deployment) answer(n int) {
	d.Helper()
	o := &sesOperator{ses: d.SES}
	for range d.SES.Sent() {
		o.taken = append(o.taken, true)
	}
	drill := &Drill{TB: d.TB, System: d.System}
	for _, m := range o.Mails()[:n] {
		page := drill.NewBrowser().Open(m.Link()).Says(http.StatusOK, m.Subject)
		page.Form("/a/").Press("無事").Says(http.StatusOK, "回答を受け付けました")
	}
}
