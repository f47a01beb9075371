package drill

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
)

// upgradedContacts is how many copies the alert has that is on its way.
const upgradedContacts = 10_000

// TestUpgrade replaces the program three times while an alert leaves: it is asked to
// stop, as a service manager does, and a newly built one starts on the same folder.
func TestUpgrade(t *testing.T) {
	s := newSink(t)
	p := prepare(t, build(t), s.URL, upgradedContacts)
	versions := []string{rebuilt(t, 0), rebuilt(t, 1), rebuilt(t, 2)}
	p.start()
	alert := p.send("upgraded")
	var stops []time.Duration
	for n, next := range versions {
		p.awaitCopies(s, alert, upgradedContacts*(n+1)/5)
		began := time.Now()
		at := p.terminate(s, alert)
		p.program = next
		p.start()
		stops = append(stops, time.Since(began).Round(time.Millisecond))
		t.Logf("version %d stopped with %d of %d copies out", n, at, upgradedContacts)
	}
	status := p.settle(alert)
	came := s.of(alert)
	twice := 0
	for _, times := range came {
		twice += times - 1
	}
	t.Logf("%d upgrades, each away for %v: %d copies came, %d lost, %d twice; the status says %v", len(stops), stops, len(came), upgradedContacts-len(came), twice, status.Copies)
	if len(came) != upgradedContacts || twice != 0 || status.SentAgain != 0 || status.Copies["sent"] != upgradedContacts {
		t.Errorf("%d came, %d twice, %d said to be sent again", len(came), twice, status.SentAgain)
	}
}

// awaitCopies waits until so many copies have come.
func (p *process) awaitCopies(s *sink, alert string, n int) {
	p.Helper()
	(&Drill{TB: p.TB}).Until("the copies come", func() bool { return s.arrived(alert) >= n })
}

// terminate has the program stop as it wants to, and returns how many copies had come
// by then. It must not have sent them all: there would be nothing to hand over.
func (p *process) terminate(s *sink, alert string) int {
	p.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	err := p.cmd.Wait()
	p.cmd = nil
	if err != nil || strings.Contains(p.stderr.String(), "level=ERROR") {
		p.Fatalf("it did not stop well: %v\n%s", err, p.stderr.String())
	}
	at := s.arrived(alert)
	if at >= upgradedContacts {
		p.Fatal("all copies had left before it stopped")
	}
	return at
}

// rebuilt builds another version of the program: other bytes of the same source.
func rebuilt(t *testing.T, n int) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "todoku")
	version := strings.Repeat("next", n+1)
	out, err := exec.Command("go", "build", "-ldflags", "-buildid="+version, "-o", program, "github.com/todoku/todoku/infra/local").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// copiesUpgradedOnAWS is how many there are: UPGRADE_COPIES, or 1,000, or 10,000 with
// STRICT=1. They leave at 80 a second.
func copiesUpgradedOnAWS(t testing.TB) int {
	n := uint64(1000)
	if os.Getenv("STRICT") == "1" {
		n = upgradedContacts
	}
	return int(env(t, "UPGRADE_COPIES", n))
}

// awsUpgrade deploys newly built functions twice while an alert leaves. As on Lambda,
// instances of the old version finish the event that they have in hand.
func awsUpgrade(t *testing.T, cfg cloud.Config) {
	copies := copiesUpgradedOnAWS(t)
	next := buildFunctions(t, "next")
	cfg.Most = 16
	cfg.SES = sesfake.Config{
		Rate:    80,
		Latency: func(string) time.Duration { return 30 * time.Millisecond },
		Fate:    func(string) []sesfake.Step { return []sesfake.Step{{Kind: sesfake.Delivery}} },
	}
	d := deploy(t, cfg, copies)
	d.remember()
	alert := d.send("upgraded")
	for n, programs := range []string{next, cfg.Programs} {
		r := d.accepted(alert, copies*(n+1)/4, 15*time.Minute)
		busy := 0
		for _, f := range plan.Functions {
			if fn := d.Functions[f.Name]; fn != nil {
				busy += fn.Busy()
				fn.Deploy(filepath.Join(programs, f.Name, "bootstrap"))
			}
		}
		t.Logf("deployed with %d of %d copies out, while %d instances were at work", len(r.copies), copies, busy)
	}
	d.accepted(alert, copies, 15*time.Minute)
	var s Status
	(&Drill{TB: t}).Until("all copies are delivered", func() bool {
		err := d.ask(Request{Method: "GET", Path: "/alerts/" + alert}, http.StatusOK, &s)
		return err == nil && s.Copies["delivered"] == int64(copies)
	})
	r := outcomeOf(d.SES.Sent(), alert)
	t.Logf("%d copies in %v, %d lost, %d twice; the status says %v", len(r.copies), r.took().Round(time.Second), copies-len(r.copies), r.total-len(r.copies), s.Copies)
	if r.total != len(r.copies) || s.SentAgain != 0 {
		t.Errorf("%d copies came twice, %d are said to", r.total-len(r.copies), s.SentAgain)
	}
}
