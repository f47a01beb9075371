package drill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/roster"
)

// build builds the program, and returns the path of it.
func build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "todoku")
	cmd := exec.Command("go", "build", "-o", program, "github.com/todoku/todoku/infra/local")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// process is the program as somebody runs it, to be killed and started again.
type process struct {
	testing.TB
	program string
	args    []string
	token   string // of the API
	url     string // while it runs

	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// prepare makes a data folder with a school in it, and returns the program that
// is to run on it. contacts is how many the school has at the start.
func prepare(t testing.TB, program, relay string, contacts int) *process {
	t.Helper()
	data := t.TempDir()
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	token, err := load(t.Context(), m, contacts)
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	p := &process{TB: t, program: program, token: token}
	p.args = []string{"-data", data, "-addr", "127.0.0.1:0", "-smtp", relay}
	t.Cleanup(p.kill)
	return p
}

func load(ctx context.Context, m *machine.Machine, contacts int) (token string, err error) {
	s := school
	s.ID = m.Alerts.IDs.New()
	who, err := m.Found(ctx, s, manager)
	if err != nil {
		return "", err
	}
	var groups []roster.Group
	var families iter.Seq[roster.Family] = func(func(roster.Family) bool) {}
	if contacts > 0 {
		groups, families = roster.Big(1, contacts, m.Alerts.IDs)
	}
	if err := m.Roster.Load(ctx, s.ID, groups, families); err != nil {
		return "", err
	}
	_, token, err = m.Staff.NewToken(ctx, who.ID, "drill", 0)
	return token, err
}

// start starts the program and waits until it says where it is.
func (p *process) start() {
	p.Helper()
	p.cmd = exec.Command(p.program, p.args...)
	p.stderr.Reset()
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "todoku: "); ok {
			p.url = url
			return
		}
	}
	p.giveUp("the program did not start")
}

// giveUp fails the test, with what the program has said.
func (p *process) giveUp(format string, args ...any) {
	p.Helper()
	p.kill() // its log is whole then, and nobody writes to it any more
	p.Fatalf(format+"\n%s", append(args, p.stderr.String())...)
}

// kill ends the program as a power failure does. Errors in its log fail the test.
func (p *process) kill() {
	p.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // says that it was killed
	p.cmd = nil
	http.DefaultClient.CloseIdleConnections()
	if strings.Contains(p.stderr.String(), "level=ERROR") {
		p.Errorf("errors in the log:\n%s", p.stderr.String())
	}
}

// ask sends a request to the API.
func (p *process) ask(r Request, status int, v any) error {
	code, body, err := call(p.url, p.token, r)
	if err != nil {
		return err
	}
	if code != status {
		return fmt.Errorf("%s %s: status %d: %s", r.Method, r.Path, code, body)
	}
	return json.Unmarshal(body, v)
}

// send sends an alert to the whole school and returns its id.
func (p *process) send(subject string) string {
	p.Helper()
	var got struct{ ID string }
	a := Alert{Subject: subject}
	err := p.ask(Request{Method: "POST", Path: "/alerts", Key: subject, Body: a.body(time.Now())}, http.StatusCreated, &got)
	if err != nil {
		p.giveUp("%v", err)
	}
	return got.ID
}

// settle waits until no copy of an alert waits any more.
func (p *process) settle(alert string) (s Status) {
	p.Helper()
	const step = 10 * time.Millisecond
	for range patience / step {
		if err := p.ask(Request{Method: "GET", Path: "/alerts/" + alert}, http.StatusOK, &s); err != nil {
			p.giveUp("%v", err)
		}
		if s.settled() {
			return s
		}
		time.Sleep(step)
	}
	p.giveUp("the alert was not settled: %+v", s)
	return s
}
