package settings_test

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/infra/cdk/settings"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
)

const certificate = "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"

// least is the least that an operator must say.
func least() map[string]any {
	return map[string]any{"name": "見本小学校", "phone": "03-0000-0000", "mailDomains": "school.example.jp"}
}

// read reads least with over over it; nil takes a key away.
func read(over map[string]any) (settings.Settings, error) {
	context := least()
	maps.Copy(context, over)
	return settings.Read(settings.Source{
		Context: func(key string) any { return context[key] },
		ReadFile: func(name string) ([]byte, error) {
			text, ok := map[string]string{
				"lanes.json":  "\uFEFF{\n  \"lanes\": [{\"name\": \"docomo\", \"slots\": 3}]\n}\n",
				"faulty.json": `{"lanes":[{"name":"docomo","slots":-1}]}`,
				"long.json":   `{"about":"` + strings.Repeat("a", 2500) + `"}`,
			}[name]
			if !ok {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		},
	})
}

func TestDeliveries(t *testing.T) {
	for most, want := range map[int][]int{
		300: {300}, 301: {301, 300}, 3600: {3600, 1800, 900, 450, 300}, 50400: {50400, 25200, 12600, 6300, 3150, 1575, 787, 393, 300},
	} {
		if diff := cmp.Diff(want, settings.Settings{MaxDelivery: most}.Deliveries()); diff != "" {
			t.Errorf("up to %d s (-want +got):\n%s", most, diff)
		}
	}
}

func TestRead(t *testing.T) {
	defaults, err := read(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Settings{
		Stack: "Todoku", Name: "見本小学校", Phone: "03-0000-0000", MailDomains: []string{"school.example.jp"},
		DMARC: "v=DMARC1; p=none", Proof: 60, KeepAlerts: 1098, SendQuota: 50000, MaxDelivery: 3600,
	}
	if d := cmp.Diff(want, defaults); d != "" {
		t.Fatalf("defaults: -want +got:\n%s", d)
	}
	tests := []struct {
		name string
		over map[string]any
		want func(s *settings.Settings)
	}{
		{"domains as a list", map[string]any{"mailDomains": []any{"a.example.jp", "B.example.jp."}}, func(s *settings.Settings) {
			s.MailDomains = []string{"a.example.jp", "b.example.jp"}
		}},
		{"domains with commas", map[string]any{"mailDomains": " a.example.jp, b.example.jp,a.example.jp,"}, func(s *settings.Settings) {
			s.MailDomains = []string{"a.example.jp", "b.example.jp"}
		}},
		{"numbers as text", map[string]any{"sendQuota": "200", "maxDeliverySeconds": "300"}, func(s *settings.Settings) {
			s.SendQuota, s.MaxDelivery = 200, 300
		}},
		{"numbers as JSON", map[string]any{"sendQuota": 1e6, "maxDeliverySeconds": 50400.0}, func(s *settings.Settings) {
			s.SendQuota, s.MaxDelivery = 1000000, 50400
		}},
		{"zone and web domain", map[string]any{"hostedZone": "example.jp", "hostedZoneId": "Z0123456789ABC", "webDomain": "anzen.example.jp"}, func(s *settings.Settings) {
			s.Zone, s.ZoneID, s.WebDomain = "example.jp", "Z0123456789ABC", "anzen.example.jp"
		}},
		{"own certificate", map[string]any{"webDomain": "anzen.example.jp", "certificateArn": certificate}, func(s *settings.Settings) {
			s.WebDomain, s.Certificate = "anzen.example.jp", certificate
		}},
		{"mailboxes with commas", map[string]any{"proofMailboxes": "proof@docomo.ne.jp, proof@gmail.com"}, func(s *settings.Settings) {
			s.Mailboxes = []proof.Mailbox{{Lane: "docomo", Address: "proof@docomo.ne.jp"}, {Lane: "google", Address: "proof@gmail.com"}}
		}},
		{"mailboxes as a list", map[string]any{"proofMailboxes": []any{"proof@example.jp"}}, func(s *settings.Settings) {
			s.Mailboxes = []proof.Mailbox{{Lane: "example.jp", Address: "proof@example.jp"}}
		}},
		{"lanes", map[string]any{"lanes": "lanes.json"}, func(s *settings.Settings) {
			s.Lanes = `{"lanes":[{"name":"docomo","slots":3}]}`
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(tt.over)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults
			tt.want(&want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestReadNamesTheKey(t *testing.T) {
	tests := []struct {
		name string
		over map[string]any
		want []string // keys, in order
	}{
		{"nothing given", map[string]any{"name": nil, "phone": nil, "mailDomains": nil}, []string{"name", "phone", "mailDomains"}},
		{"blanks", map[string]any{"name": " ", "mailDomains": ", ,"}, []string{"name", "mailDomains"}},
		{"address for a domain", map[string]any{"mailDomains": "anzen@school.example.jp"}, []string{"mailDomains"}},
		{"one bad domain of two", map[string]any{"mailDomains": "school.example.jp,学校.example.jp"}, []string{"mailDomains"}},
		{"number of words", map[string]any{"sendQuota": "many"}, []string{"sendQuota"}},
		{"delivery too short", map[string]any{"maxDeliverySeconds": 299.0}, []string{"maxDeliverySeconds"}},
		{"delivery too long", map[string]any{"maxDeliverySeconds": 50401.0}, []string{"maxDeliverySeconds"}},
		{"list for a text", map[string]any{"name": []any{"a"}}, []string{"name", "name"}},
		{"zone without id", map[string]any{"hostedZone": "example.jp"}, []string{"hostedZoneId"}},
		{"id without zone", map[string]any{"hostedZoneId": "Z0123456789ABC"}, []string{"hostedZone"}},
		{"zone of others", map[string]any{"hostedZone": "example.com", "hostedZoneId": "Z0123456789ABC"}, []string{"hostedZone"}},
		{"zone by its end alone", map[string]any{"hostedZone": "ool.example.jp", "hostedZoneId": "Z0123456789ABC"}, []string{"hostedZone"}},
		{"web domain without certificate", map[string]any{"webDomain": "anzen.example.jp"}, []string{"certificateArn"}},
		{"certificate without domain", map[string]any{"certificateArn": certificate}, []string{"webDomain"}},
		{"no certificate", map[string]any{"webDomain": "anzen.example.jp", "certificateArn": "mine"}, []string{"certificateArn"}},
		{"an OpenID client without a provider", map[string]any{"openidClient": "x"}, []string{"openidIssuer"}},
		{"an OpenID provider without a client", map[string]any{"openidIssuer": "https://id.example.jp"}, []string{"openidClient"}},
		{"an OpenID provider without https", map[string]any{"openidIssuer": "http://id.example.jp", "openidClient": "x"}, []string{"openidIssuer"}},
		{"an OpenID secret's ARN without its end", map[string]any{"openidIssuer": "https://id.example.jp", "openidClient": "x", "openidSecretArn": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:openid"}, []string{"openidSecretArn"}},
		{"an OpenID secret itself", map[string]any{"openidIssuer": "https://id.example.jp", "openidClient": "x", "openidSecretArn": "hunter2"}, []string{"openidSecretArn"}},
		{"inbound on the schools' domain", map[string]any{"inboundDomain": "school.example.jp"}, []string{"inboundDomain"}},
		{"dmarc", map[string]any{"dmarc": "none"}, []string{"dmarc"}},
		{"stack", map[string]any{"stack": "届く"}, []string{"stack"}},
		{"table", map[string]any{"table": "a"}, []string{"table"}},
		{"two alarm addresses", map[string]any{"alarmMail": "a@example.jp, b@example.jp"}, []string{"alarmMail"}},
		{"two mailboxes at one operator", map[string]any{"proofMailboxes": "a@docomo.ne.jp,b@docomo.ne.jp"}, []string{"proofMailboxes"}},
		{"no mailbox", map[string]any{"proofMailboxes": "docomo"}, []string{"proofMailboxes"}},
		{"mailboxes without a rhythm", map[string]any{"proofMailboxes": "a@docomo.ne.jp", "proofMinutes": 0.0}, []string{"proofMailboxes"}},
		{"lanes not there", map[string]any{"lanes": "gone.json"}, []string{"lanes"}},
		{"lanes faulty", map[string]any{"lanes": "faulty.json"}, []string{"lanes"}},
		{"lanes too long", map[string]any{"lanes": "long.json"}, []string{"lanes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.over)
			var wrong problem.List
			if !errors.As(err, &wrong) {
				t.Fatalf("error is %v", err)
			}
			var keys []string
			for _, p := range wrong {
				keys = append(keys, p.Field)
				if !strings.Contains(p.Text.JA, p.Field) || !strings.Contains(p.Text.EN, p.Field) || strings.Contains(p.Text.String(), "%!") {
					t.Errorf("the sentence does not name the key well: %s", p.Text)
				}
			}
			if d := cmp.Diff(tt.want, keys); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestMisspelled(t *testing.T) {
	got := settings.Misspelled(map[string]any{
		"mailDomains": "", "mailDomain": "", "maildomains": "", "hosted-zone": "", "alarm_mail": "",
		"@aws-cdk/core:target-partitions": "", "aws:cdk:enable-asset-metadata": "",
	})
	want := map[string]string{
		"mailDomain": "mailDomains", "maildomains": "mailDomains", "hosted-zone": "hostedZone", "alarm_mail": "alarmMail",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestInZone(t *testing.T) {
	s := settings.Settings{Zone: "example.jp"}
	for domain, want := range map[string]bool{"example.jp": true, "a.example.jp": true, "anexample.jp": false, "jp": false} {
		if got := s.InZone(domain); got != want {
			t.Errorf("InZone(%q) = %v", domain, got)
		}
	}
}
