package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/problem"
)

func TestCheck(t *testing.T) {
	const base, domain, relay = "https://todoku.school.example.jp", "in.school.example.jp", "smtp://relay.example.jp:587"
	tests := []struct {
		name string
		cfg  Config
		flag string // that is wrong; "": none
	}{
		{"nothing", Config{}, ""},
		{"an address without https", Config{BaseURL: "todoku.school.example.jp"}, "--base-url"},
		{"an address with a blank", Config{BaseURL: "https://todoku school"}, "--base-url"},
		{"an address with a path", Config{BaseURL: base + "/todoku"}, "--base-url"},
		{"an address with a query", Config{BaseURL: base + "?x"}, "--base-url"},
		{"a Japanese address", Config{BaseURL: "https://学校.example.jp"}, "--base-url"},
		{"another scheme", Config{BaseURL: "ftp://school.example.jp"}, "--base-url"},
		{"a school's own network", Config{BaseURL: "http://192.168.1.5:8080"}, ""},
		{"links to every address", Config{Addr: ":8080", Relay: relay}, "--base-url"},
		{"links to every IPv4 address", Config{Addr: "0.0.0.0:8080", Relay: relay}, "--base-url"},
		{"links to every IPv6 address", Config{Addr: "[::]:8080", Relay: relay}, "--base-url"},
		{"every address, and a name", Config{Addr: ":8080", Relay: relay, BaseURL: base}, ""},
		{"every address, and no mail", Config{Addr: ":8080"}, ""},
		{"an address in a school's own network", Config{Addr: "192.168.1.5:8080", Relay: relay}, ""},
		{"a relay to try", Config{Relay: relay}, ""},
		{"proofs in the past", Config{Proof: Proof{Every: -5 * time.Minute}}, "--proof "},
		{"a switch that cannot be called", Config{Proof: Proof{DeadMan: "not-a-url"}}, "--dead-man"},
		{"a switch for each lane", Config{Proof: Proof{DeadMan: "https://hc-ping.com/x/{lane}"}}, ""},
		{"a mailbox that is none", Config{Proof: Proof{Address: "not an address"}}, "--proof-to"},
		{"mail for no domain", Config{Inbound: ":25"}, "--inbound-domain"},
		{"mail for an address", Config{Inbound: ":25", InboundDomain: "https://" + domain}, "--inbound-domain"},
		{"mail that nobody takes", Config{InboundDomain: domain}, "--inbound"},
		{"mail for a domain", Config{Inbound: ":25", InboundDomain: "In.school.example.jp"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Data = filepath.Join(t.TempDir(), "data")
			_, err := tt.cfg.check()
			if tt.flag == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(problem.Of(err)[0].Text.EN, tt.flag) {
				t.Errorf("%v, want one about %s", err, tt.flag)
			}
			if _, err := New(tt.cfg); err == nil {
				t.Error("it starts")
			}
			if _, err := os.Stat(tt.cfg.Data); !errors.Is(err, os.ErrNotExist) {
				t.Error("something was made all the same")
			}
		})
	}
}

// TestCheckSaysAll: who mends one thing does not learn of the next only then.
func TestCheckSaysAll(t *testing.T) {
	_, err := Config{BaseURL: "x", Proof: Proof{Every: -1, Address: "x", DeadMan: "x"}, Inbound: ":25"}.check()
	if n := len(problem.Of(err)); n != 5 {
		t.Errorf("%d problems: %v", n, err)
	}
}

// TestCheckTidies: what is compared or written into mail is as browsers and programs write it.
func TestCheckTidies(t *testing.T) {
	c, err := Config{BaseURL: "HTTPS://Todoku.school.example.jp/", Proof: Proof{Address: "確認<Proof@Example.jp>"}, Inbound: ":25", InboundDomain: "In.Example.jp"}.check()
	if err != nil || c.BaseURL != "https://todoku.school.example.jp" || c.Proof.Address != "Proof@example.jp" || c.InboundDomain != "in.example.jp" {
		t.Errorf("%+v, %v", c, err)
	}
}
