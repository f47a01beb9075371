package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// generated is a secret as the stack makes it.
const generated = `{"ID":1,"Secret":"AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGh"}`

// TestSteps pipes a secret through all steps, as the runbook does.
func TestSteps(t *testing.T) {
	secret := generated
	steps := []struct{ name, list string }{
		{"add", "1\tsigns\n2\taccepted\n"},
		{"promote", "2\tsigns\n1\taccepted\n"},
		{"drop", "2\tsigns\n"},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			secret = pipe(t, s.name, secret)
			if d := cmp.Diff(s.list, pipe(t, "list", secret)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func pipe(t *testing.T, step, secret string) string {
	t.Helper()
	var out strings.Builder
	p := Program{Stdin: strings.NewReader(secret), Stdout: &out}
	if err := p.Run(t.Context(), []string{"keys", step}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestNothingIsWrittenInVain keeps a faulty step from storing an empty secret.
func TestNothingIsWrittenInVain(t *testing.T) {
	tests := []struct {
		name, secret string
		args         []string
	}{
		{"no step", generated, nil},
		{"unknown step", generated, []string{"rotate"}},
		{"out of turn", generated, []string{"promote"}},
		{"no secret", "", []string{"add"}},
		{"no keys", "{}", []string{"add"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			p := Program{Stdin: strings.NewReader(tt.secret), Stdout: &out}
			if err := p.Run(t.Context(), append([]string{"keys"}, tt.args...)); err == nil {
				t.Error("no error")
			}
			if out.Len() > 0 {
				t.Errorf("wrote %d bytes", out.Len())
			}
		})
	}
}
