package command

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

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

// TestRelayFile: the URL of a relay, with its password, comes from a file.
func TestRelayFile(t *testing.T) {
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "relay")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const url = "smtps://user:secret@relay.example.jp"
	tests := []struct {
		name string
		args []string
		want string
		err  error
	}{
		{"neither", nil, "", nil},
		{"on the command line", []string{"--smtp", url}, url, nil},
		{"in a file", []string{"--smtp-file", write(url + "\r\n")}, url, nil},
		{"both", []string{"--smtp", url, "--smtp-file", write(url)}, "", errTwoRelays},
		{"an empty file, which must not send to the inbox", []string{"--smtp-file", write("\n")}, "", errNoRelay},
		{"no file", []string{"--smtp-file", filepath.Join(t.TempDir(), "none")}, "", os.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, f := &Program{}, pflag.NewFlagSet("run", pflag.ContinueOnError)
			var relay string
			read := p.relayFlags(f, &relay, "")
			if err := f.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			if err := read(); !errors.Is(err, tt.err) || err == nil && relay != tt.want {
				t.Errorf("%q, %v, want %q, %v", relay, err, tt.want, tt.err)
			}
		})
	}
	for _, command := range []string{"run", "doctor"} {
		if _, err := run(t, command, "-data", t.TempDir(), "-smtp-file", write("")); !errors.Is(err, errNoRelay) {
			t.Errorf("%s: %v", command, err)
		}
	}
}
