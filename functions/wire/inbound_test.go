package wire

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/todoku/todoku/functions/inbound"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// throttled is an AWS that has the keys and whose SES takes no mail now.
func throttled(t *testing.T) settings.AWS {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.") {
			_, _ = io.WriteString(w, `{"SecretString":`+strconv.Quote(secretOf(1))+`}`)
			return
		}
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"Maximum sending rate exceeded."}`)
	}))
	t.Cleanup(server.Close)
	return settings.AWS{
		Region: "ap-northeast-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "key", ""),
	}
}

// TestInboundThrottled has SES put off the reply to an empty mail: the tick
// sends it again.
func TestInboundThrottled(t *testing.T) {
	cfg, err := config.Load("inbound", whole)
	must(t, err)
	p := &Parts{Config: cfg, Log: slog.New(slog.DiscardHandler), Now: time.Now, Random: rand.Reader, aws: throttled(t)}
	p.store, p.ids = bbolttest.Open(t, p.Now), id.NewSource(p.Now, p.Random)
	h, err := Inbound(p)
	must(t, err)

	to := slip(t, p) + "@" + cfg.InboundDomain
	body, err := inbound.Notification([]byte("From: a@docomo.ne.jp\r\n\r\n"), incoming.Envelope{From: "a@docomo.ne.jp", To: []string{to}}, "m", p.Now())
	must(t, err)
	res, err := h.(queue.Handler)(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: body}}})
	must(t, err)
	due, err := p.store.Query(t.Context(), table.Query{Partition: "enrol/due"})
	must(t, err)
	if len(res.BatchItemFailures) > 0 || len(due.Items) != 1 {
		t.Errorf("%d handed back, %d due", len(res.BatchItemFailures), len(due.Items))
	}
}

// slip returns the code of a child's slip.
func slip(t *testing.T, p *Parts) string {
	must(t, p.Roster().PutSchool(t.Context(), roster.School{ID: "s1", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"}))
	f, err := p.Roster().PutFamily(t.Context(), "s1", roster.Family{Children: []roster.Child{{ID: p.ids.New(), Name: "見本 一郎", Class: "c1"}}})
	must(t, err)
	passes, err := p.Enrol().Issue(t.Context(), "s1", []enrol.ChildRef{{Family: f.ID, Child: f.Children[0].ID}}, false)
	must(t, err)
	return passes[0].Code
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
