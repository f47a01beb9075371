package mailhost_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
)

var records = []string{
	"gmail.com. MX 5 gmail-smtp-in.l.google.com.",
	"school.example.jp. MX 20 alt1.aspmx.l.google.com.",
	"school.example.jp. MX 10 ASPMX.L.Google.com.",
	"a.example.jp. A 192.0.2.1",
	"aaaa.example.jp. AAAA 2001:db8::1",
	"null.example.jp. MX 0 .",
	"text.example.jp. TXT hello",
}

func newAsker(s *dnstest.Server) *mailhost.Asker {
	return &mailhost.Asker{Resolver: s.Resolver(), Now: time.Now}
}

func TestAsk(t *testing.T) {
	s := dnstest.Start(t, records...)
	s.Fail("broken.example.jp.", dns.RcodeServerFailure)
	s.Fail("refused.example.jp.", dns.RcodeRefused)
	s.Fail("silent.example.jp.", dnstest.Silent)
	tests := map[string]mailhost.Answer{
		"school.example.jp":  {State: mailhost.Receives, Hosts: []string{"aspmx.l.google.com", "alt1.aspmx.l.google.com"}},
		"a.example.jp":       {State: mailhost.Receives, Hosts: []string{"a.example.jp"}},
		"aaaa.example.jp":    {State: mailhost.Receives, Hosts: []string{"aaaa.example.jp"}},
		"null.example.jp":    {State: mailhost.Null},
		"text.example.jp":    {State: mailhost.Nowhere}, // the name is there, for something else
		"docomo.example.jo":  {State: mailhost.Nowhere},
		"broken.example.jp":  {State: mailhost.Later},
		"refused.example.jp": {State: mailhost.Later},
		"silent.example.jp":  {State: mailhost.Later},
	}
	a := newAsker(s)
	var domains []string
	for d := range tests {
		domains = append(domains, d)
	}
	got := a.AskAll(t.Context(), domains, 10*time.Second)
	if diff := cmp.Diff(tests, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for d, want := range tests {
		p := want.Problem(d)
		if refused := want.State == mailhost.Null || want.State == mailhost.Nowhere; (p != nil) != refused {
			t.Errorf("%s: problem %v", d, p)
		}
	}
}

// A resolver that finds nothing at all is not believed: it has no way out.
func TestNobodyIsRefusedWithoutAWayOut(t *testing.T) {
	a := newAsker(dnstest.Start(t))
	if got := a.Ask(t.Context(), "school.example.jp"); got.Problem("school.example.jp") != nil {
		t.Errorf("refused: %+v", got)
	}
	away := &mailhost.Asker{Now: time.Now, Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, net.UnknownNetworkError("no way out")
	}}}
	if got := away.Ask(t.Context(), "school.example.jp"); got.State != mailhost.Later {
		t.Errorf("without a network: %+v", got)
	}
	for name, nobody := range map[string]*mailhost.Asker{"no asker": nil, "no resolver": {Now: time.Now}} {
		if got := nobody.Ask(t.Context(), "school.example.jp"); got.State != mailhost.Later {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What is remembered ends: sooner for what can be mended.
func TestMemory(t *testing.T) {
	s := dnstest.Start(t, records...)
	s.Fail("broken.example.jp.", dns.RcodeServerFailure)
	now := time.Now()
	a := &mailhost.Asker{Resolver: s.Resolver(), Now: func() time.Time { return now }}
	for _, tt := range []struct {
		domain string
		keeps  time.Duration
	}{
		{"school.example.jp", time.Hour},
		{"null.example.jp", 5 * time.Minute},
		{"nowhere.example.jp", 5 * time.Minute},
		{"broken.example.jp", 15 * time.Second},
	} {
		a.Ask(t.Context(), tt.domain)
		first := s.Asked(tt.domain + ".")
		now = now.Add(tt.keeps - 1)
		a.Ask(t.Context(), tt.domain)
		if n := s.Asked(tt.domain + "."); n != first {
			t.Errorf("%s: asked again within %v", tt.domain, tt.keeps)
		}
		now = now.Add(1)
		a.Ask(t.Context(), tt.domain)
		if n := s.Asked(tt.domain + "."); n == first {
			t.Errorf("%s: not asked again after %v", tt.domain, tt.keeps)
		}
	}
}

// slow is a resolver that answers nobody, and counts.
type slow struct {
	net.Resolver
	asked chan string
}

func (s *slow) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	s.asked <- name
	<-ctx.Done()
	return nil, ctx.Err()
}

// However many domains a sheet has, asking ends at the limit, and is bounded.
func TestAskAllEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{asked: make(chan string, 10_000)}
		a := &mailhost.Asker{Resolver: s, Now: time.Now}
		var domains []string
		for i := range 10_000 {
			domains = append(domains, fmt.Sprintf("d%d.example.jp", i))
		}
		began := time.Now()
		got := a.AskAll(t.Context(), append(domains, domains...), 3*time.Second)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if n := len(s.asked); n > 48 { // sixteen at a time, for two seconds each, and those that began as time ran out
			t.Errorf("%d questions", n)
		}
		if len(got) != len(domains) || got["d9999.example.jp"].State != mailhost.Later {
			t.Errorf("%d answers", len(got))
		}
	})
}
