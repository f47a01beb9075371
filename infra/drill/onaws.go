package drill

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/issuer"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// OnAWS returns the lane of the AWS mode, with SES as the operator. programs is a
// folder of the built functions; the servers of cfg may serve several systems at
// once.
func OnAWS(cfg cloud.Config) Lane { return onAWS(cfg, func(*cloud.Cloud) {}) }

// onAWS is OnAWS for who has more to do with the deployment than the scenarios.
func onAWS(cfg cloud.Config, made func(*cloud.Cloud)) Lane {
	return func(t testing.TB, w World) System {
		t.Helper()
		o := &sesOperator{}
		cfg := cfg
		cfg.Log, cfg.Now, cfg.Clock = w.Log, w.Clock.Now, w.Clock.Share(t)
		cfg.Name, cfg.Phone, cfg.InboundDomain = w.School.Name, w.School.Phone, InboundDomain
		cfg.OpenID = cloud.OpenID{Issuer: w.OpenID.URL, Client: issuer.Client, Secret: issuer.Secret}
		cfg.Env = append(slices.Clone(cfg.Env), "TODOKU_DRILL_DNS="+w.DNS.Addr)
		cfg.SES = sesfake.Config{Now: w.Clock.Now, Later: true, Fate: o.fate, Chaos: sesfake.Chaos{Seed: w.Seed, Duplicate: 0.1}}
		cfg.Before = o.before
		c, err := cloud.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		o.ses = c.SES
		made(c)
		s, err := foundOnAWS(t.Context(), c, w)
		if err != nil {
			t.Fatal(err)
		}
		s.Operator = o
		return s
	}
}

// foundOnAWS makes the school as an operator does, by the table itself.
func foundOnAWS(ctx context.Context, c *cloud.Cloud, w World) (System, error) {
	schools := &roster.Store{Table: c.Table, IDs: c.IDs, Now: w.Clock.Now}
	people := &staff.Store{Table: c.Table, IDs: c.IDs, Now: w.Clock.Now, Random: rand.Reader}
	w.School.ID = c.IDs.New() // w is our own copy
	if err := schools.PutSchool(ctx, w.School); err != nil {
		return System{}, err
	}
	w.Manager.School = w.School.ID
	m, err := people.PutStaff(ctx, w.Manager)
	if err != nil {
		return System{}, err
	}
	link, err := people.NewLink(ctx, m.ID, 0)
	if err != nil {
		return System{}, err
	}
	_, token, err := people.NewToken(ctx, m.ID, "drill", 0)
	return System{
		Events: true, URL: c.URL, Token: token, SignIn: c.URL + "/sign-in/" + link,
		Waiting: func() (int, int, error) { return c.Waiting(context.Background()) },
		Invite: func(r found.Request) (string, error) {
			r.URL = c.URL
			return found.Founder{Table: c.Table, IDs: c.IDs, Now: w.Clock.Now, Random: rand.Reader}.Link(context.Background(), r)
		},
		GiveUp: func(queue, group, id, body string) error {
			return c.GiveUp(context.Background(), queue, group, id, body)
		},
		Tick:  func() error { return c.Tick(context.Background()) },
		Items: func(f func(table.Item) error) error { return c.Table.Walk(context.Background(), f) },
		Post: func(raw []byte, e incoming.Envelope) error {
			m := sesfake.Incoming{Raw: raw, Source: e.From, Recipients: e.To, SPF: "PASS", DKIM: "GRAY", DMARC: "GRAY"}
			if e.Verdicts.DMARC == incoming.Fail {
				m.DMARC, m.Policy = "FAIL", "reject"
			}
			c.Receive(m)
			return nil
		},
	}, err
}

// sesOperator plays the operator with SES: what it puts off or cannot take now, SES
// does not accept; what it refuses bounces.
type sesOperator struct {
	ses *sesfake.Server

	mu     sync.Mutex
	decide func(to string) Verdict
	taken  []bool // of each message that SES has accepted, in their order
	read   int    // how many of them were looked at
	mails  []Mail // those of them that were taken
}

// Decide implements Operator.
func (o *sesOperator) Decide(f func(to string) Verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.decide = f
}

func (o *sesOperator) verdict(to string) Verdict {
	o.mu.Lock()
	f := o.decide
	o.mu.Unlock()
	if f == nil {
		return Take
	}
	return f(bare(to))
}

// Mails implements Operator.
func (o *sesOperator) Mails() []Mail {
	sent := o.ses.Sent()
	o.mu.Lock()
	defer o.mu.Unlock()
	for ; o.read < len(sent); o.read++ {
		if o.taken[o.read] {
			o.mails = append(o.mails, received(sent[o.read]))
		}
	}
	return slices.Clone(o.mails)
}

// received reads a mail as its receiver does.
func received(m sesfake.Message) Mail {
	r, err := mail.Receive(m.Raw)
	if err != nil {
		r.Subject = "not a mail: " + err.Error() // which no scenario expects
	}
	return Mail{To: bare(m.To), From: r.From, Subject: r.Subject, Text: r.Text, HTML: r.HTML, Headers: r.Headers}
}

// fate says what becomes of a message. SES asks it once for each, in their order.
func (o *sesOperator) fate(to string) []sesfake.Step {
	v := o.verdict(to)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = append(o.taken, v != Refuse && v != Unkept)
	switch v {
	case Refuse:
		return []sesfake.Step{{
			Kind: sesfake.Bounce, Type: "Permanent", SubType: "General", Status: "5.1.1", Words: "550 5.1.1 <" + to + "> User unknown",
		}}
	case Unkept:
		return []sesfake.Step{
			{Kind: sesfake.DeliveryDelay, After: time.Minute, Type: "TransientCommunicationFailure", Status: "4.4.1", Words: "421 4.4.1 no answer"},
			{Kind: sesfake.Delivery, After: sesfake.MostTries + time.Second},
		}
	case Unsaid:
		return nil
	}
	return []sesfake.Step{{Kind: sesfake.Delivery}}
}

// noAnswers are what SES says of messages that it does not accept.
var noAnswers = map[Verdict]sesfake.Answer{PutOff: sesfake.Unverified, Away: sesfake.Paused}

// before answers for SES where the verdict is that it does not accept.
func (o *sesOperator) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // is about the account
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		var in struct {
			Destination struct{ ToAddresses []string }
		}
		if err != nil || json.Unmarshal(body, &in) != nil || len(in.Destination.ToAddresses) != 1 {
			http.Error(w, "not a message to one recipient", http.StatusBadRequest)
			return
		}
		if a, no := noAnswers[o.verdict(in.Destination.ToAddresses[0])]; no {
			w.Header().Set("X-Amzn-ErrorType", a.Type)
			w.WriteHeader(a.Status)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": a.Message})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}
