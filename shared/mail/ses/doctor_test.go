package ses_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/mail/ses"
)

// examine looks at an account as the tick does, with so many addresses in the roster.
func examine(t *testing.T, rate float64, recipients int, setUp map[string]map[string]any) (findings []doctor.Finding, m doctor.Mail) {
	t.Helper()
	server := sesfake.New(sesfake.Config{Now: clock, Rate: rate, Sets: map[string]time.Duration{"todoku": time.Hour, "todoku-short": 5 * time.Minute}})
	t.Cleanup(server.Close)
	for part, fields := range setUp {
		server.SetUp(part, fields)
	}
	account := httptest.NewServer(server)
	t.Cleanup(account.Close)
	d := ses.NewDoctor(peers.SESClient(account.URL), ses.Sets{"todoku": time.Hour, "todoku-short": 5 * time.Minute})
	d.Recipients = func(context.Context) (int, error) { return recipients, nil }
	d.Known = func(_ context.Context, address string) (bool, error) { return address == "guardian@example.jp", nil }
	m, findings = d.Mail(t.Context(), "school.example.jp")
	for _, look := range []func(context.Context) ([]doctor.Finding, []doctor.Fact){d.Account, d.Set, d.Suppressed} {
		more, _ := look(t.Context())
		findings = append(findings, more...)
	}
	return findings, m
}

func TestDoctor(t *testing.T) {
	type parts = map[string]map[string]any
	for _, tt := range []struct {
		name       string
		rate       float64
		recipients int
		setUp      parts
		want       []string
		says       string
	}{
		{"in order", 14, 1000, nil, nil, ""},
		{"nobody counted yet", 14, 0, nil, nil, ""},
		{"in the sandbox", 14, 10, parts{"account": {"ProductionAccessEnabled": false}}, []string{"fail ses-sandbox"}, "200 mails a day"},
		{"paused", 14, 10, parts{"account": {"SendingEnabled": false}}, []string{"fail ses-paused"}, "paused"},
		{"under review", 14, 10, parts{"account": {"EnforcementStatus": "PROBATION"}}, []string{"warn ses-probation"}, "PROBATION"},
		{"a district at the usual rate", 14, 64_000, nil, []string{"warn ses-slow"}, "takes 1h16m11s"},
		{
			"a quota for two alerts", 50, 1000, parts{"account": {"SendQuota": map[string]float64{"MaxSendRate": 50, "Max24HourSend": 2500}}},
			[]string{"warn ses-quota"}, "a daily quota of 3000",
		},
		{
			"a quota for none", 50, 1000, parts{"account": {"SendQuota": map[string]float64{"MaxSendRate": 50, "Max24HourSend": 900}}},
			[]string{"fail ses-quota"}, "Not even one alert",
		},
		{"a domain that is not verified", 14, 10, parts{"identity": {"VerifiedForSendingStatus": false}}, []string{"fail ses-unverified"}, "No mail leaves"},
		{
			"a MAIL FROM that is not seen", 14, 10,
			parts{"identity": {"MailFromAttributes": map[string]any{"MailFromDomain": "bounce.school.example.jp", "MailFromDomainStatus": "PENDING", "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}}},
			[]string{"warn ses-mail-from"}, "bounce.school.example.jp MX 10 feedback-smtp.",
		},
		{"bounces that silence", 14, 10, parts{"set": {"SuppressionOptions": map[string]any{"SuppressedReasons": []string{"BOUNCE", "COMPLAINT"}}}}, []string{"warn ses-silences", "warn ses-silences"}, "for good"},
		{"no events", 14, 10, parts{"destinations": {"EventDestinations": []any{}}}, []string{"fail ses-events", "fail ses-events"}, "nobody phones"},
		{
			"sets that try for as long as SES likes", 14, 10, parts{"set": {"DeliveryOptions": map[string]any{"TlsPolicy": "OPTIONAL"}}},
			[]string{"warn ses-gives-up", "warn ses-gives-up"}, "does not give mails up after 1h0m0s",
		},
		{
			"a guardian on the suppression list", 14, 10, parts{"suppressed": {"SuppressedDestinationSummaries": []any{
				map[string]any{"EmailAddress": "stranger@example.jp", "Reason": "COMPLAINT", "LastUpdateTime": 1.7e9},
				map[string]any{"EmailAddress": "guardian@example.jp", "Reason": "COMPLAINT", "LastUpdateTime": 1.7e9},
			}}},
			[]string{"warn ses-suppressed"}, "1 addresses",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			findings, _ := examine(t, tt.rate, tt.recipients, tt.setUp)
			var got []string
			text := ""
			for _, f := range findings {
				got = append(got, string(f.Level)+" "+f.ID)
				text += f.What.EN + f.Why.EN + f.Fix.EN + f.Record
				if strings.Contains(f.What.JA+f.Why.JA+f.Fix.JA+text, "%!") || f.Link == "" {
					t.Errorf("%+v", f)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(text, tt.says) {
				t.Errorf("%s\n%s", diff, text)
			}
		})
	}
}

// TestDoctorMail: what DNS is to be asked for.
func TestDoctorMail(t *testing.T) {
	_, m := examine(t, 14, 10, nil)
	want := doctor.Mail{From: "school.example.jp", Envelope: "bounce.school.example.jp", Includes: []string{"amazonses.com"}, Selectors: []string{"t1", "t2", "t3"}}
	if diff := cmp.Diff(want.Selectors, m.Selectors); diff != "" || m.Envelope != want.Envelope || !slices.Equal(m.Includes, want.Includes) {
		t.Errorf("%+v", m)
	}
	_, m = examine(t, 14, 10, map[string]map[string]any{"identity": {"DkimAttributes": map[string]any{"Status": "PENDING", "Tokens": []string{"t1"}}}})
	if diff := cmp.Diff([]string{"t1._domainkey.school.example.jp CNAME t1.dkim.amazonses.com"}, m.Pending); diff != "" {
		t.Error(diff)
	}
}

// TestDoctorUnheard: what SES does not say is not known, rather than in order.
func TestDoctorUnheard(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"User is not authorized to perform: ses:GetAccount"}`))
	}))
	t.Cleanup(away.Close)
	d := ses.NewDoctor(peers.SESClient(away.URL), ses.Sets{"todoku": time.Hour})
	d.Known = func(context.Context, string) (bool, error) { return true, nil }
	_, findings := d.Mail(t.Context(), "school.example.jp")
	for _, look := range []func(context.Context) ([]doctor.Finding, []doctor.Fact){d.Account, d.Set, d.Suppressed} {
		more, _ := look(t.Context())
		findings = append(findings, more...)
	}
	var got []string
	for _, f := range findings {
		got = append(got, string(f.Level)+" "+f.ID)
		if !strings.Contains(f.What.EN, "SES does not say") || !strings.Contains(f.Fix.EN, "what this function may do") || f.Link == "" {
			t.Errorf("%+v", f)
		}
	}
	want := []string{"unknown ses-identity-unknown", "unknown ses-account-unknown", "unknown ses-set-unknown", "unknown ses-suppressed-unknown"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
