package command

import (
	"errors"
	"testing"

	"github.com/todoku/todoku/infra/local/machine"
)

// TestDemoMail: mail to a made-up school goes to no relay outside this machine.
func TestDemoMail(t *testing.T) {
	tests := []struct {
		name  string
		relay string
		demo  bool
		want  error
	}{
		{"the inbox", "", true, nil},
		{"a relay here", "smtp://127.0.0.1:2525?starttls=off", true, nil},
		{"a relay here by name", "smtp://localhost:2525", true, nil},
		{"a relay here by IPv6", "smtp://[::1]:2525", true, nil},
		{"a relay elsewhere", "smtps://user:secret@relay.example.jp", true, errDemoMail},
		{"a relay at an address", "smtp://192.0.2.1:587", true, errDemoMail},
		{"a school", "smtps://user:secret@relay.example.jp", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options{Config: machine.Config{Relay: tt.relay}, demo: tt.demo}
			if err := o.checkDemo(); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if _, err := run(t, "run", "-data", t.TempDir(), "-addr", "127.0.0.1:0", "-demo", "-smtp", "smtps://relay.example.jp"); !errors.Is(err, errDemoMail) {
		t.Errorf("at the start: %v", err)
	}
}
