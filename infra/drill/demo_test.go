package drill

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo starts the program as `make run` does, and finds what others rely on:
// the lines that it prints, /healthz, /inbox.json, the API, and an end without
// complaint when it is told to stop.
func TestDemo(t *testing.T) {
	cmd := exec.Command(build(t), "-demo", "-data", t.TempDir(), "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // if it has not ended by then
	said := readLines(t, out, "todoku", "sign-in", "api-token", "inbox")
	base := strings.TrimSuffix(said["inbox"], "/inbox")

	var health struct{ Status string }
	get(t, base+"/healthz", &health)
	if health.Status != "ok" {
		t.Errorf("health: %+v", health)
	}
	p := &process{TB: t, token: said["api-token"], url: base}
	s := p.settle(p.send("demo"))
	if s.Children["total"] < 250 || s.left() != s.Copies["total"] {
		t.Errorf("the demo school got %v for %v", s.Copies, s.Children)
	}
	checkInbox(t, base, int(s.left()))

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || log.Len() > 0 {
		t.Errorf("it ended with %v, and said:\n%s", err, log.String())
	}
}

// readLines reads "name: value" lines until it has the names.
func readLines(t *testing.T, r io.Reader, names ...string) map[string]string {
	t.Helper()
	said := map[string]string{}
	for lines := bufio.NewScanner(r); len(said) < len(names) && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		said[name] = value
	}
	for _, name := range names {
		if said[name] == "" {
			t.Fatalf("no line says %q: %v", name, said)
		}
	}
	return said
}

func get(t *testing.T, address string, v any) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", address, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		t.Fatal(err)
	}
}

func checkInbox(t *testing.T, base string, mails int) {
	t.Helper()
	var inbox []struct {
		To, From, Subject, Text, HTML string
		Headers                       map[string]string
		At                            time.Time
	}
	get(t, base+"/inbox.json", &inbox)
	if len(inbox) != mails {
		t.Errorf("%d mails in the inbox, not %d", len(inbox), mails)
	}
	for _, m := range inbox {
		if m.To == "" || m.From == "" || m.Subject != "demo" || m.HTML == "" || m.Headers["Message-ID"] == "" || m.At.IsZero() ||
			!strings.Contains(m.Text, base+"/a/") {
			t.Fatalf("a mail in the inbox: %+v", m)
		}
	}
}
