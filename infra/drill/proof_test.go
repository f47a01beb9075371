package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/metrics"
)

// TestProof: the machine proves by itself that an alert is answered, tells whoever
// watches from outside, and is red on both when it cannot any more. That whoever watches is
// away for once stops no clock.
func TestProof(t *testing.T) {
	var pings atomic.Int64
	watch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if pings.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(watch.Close)
	log := &logbook{}
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	m := started(t, machine.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Now: now, Tick: 20 * time.Millisecond,
		Proof: machine.Proof{Every: time.Hour, DeadMan: watch.URL}, Metrics: "127.0.0.1:0", Log: slog.New(log),
	})
	d := &Drill{TB: t}
	ahead.Add(int64(2 * time.Minute))
	for want := int64(1); want <= 3; want++ {
		d.Until("a proof", func() bool { return pings.Load() == want })
		d.Until("it says so", func() bool {
			status, report := health(t, m.URL())
			return status == http.StatusOK && report["last_proof_minutes"] == 0.0
		})
		ahead.Add(int64(time.Hour))
	}
	checkMetrics(t, "http://"+m.MetricsAddr()+"/metrics")
	away := 0
	for _, r := range log.records() {
		if r.level >= slog.LevelError {
			t.Error(r.line)
		}
		if strings.Contains(r.line, "the dead man's switch was not called") {
			away++
		}
	}
	if away != 1 {
		t.Errorf("%d times it is said that who watches is away", away)
	}
	if n := len(m.Inbox.List()); n > 0 {
		t.Errorf("%d mails in the inbox: nobody is to see those of a proof", n)
	}
	schools, err := m.Roster.Schools(t.Context())
	if err != nil || len(schools) != 1 {
		t.Errorf("%d schools, %v: the proof's is none", len(schools), err)
	}
}

// awsProof has the functions prove by themselves that an alert is answered: through
// queues, SES, its events, and the pages.
func awsProof(t *testing.T, cfg cloud.Config) {
	var pings atomic.Int64
	watch := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1) }))
	t.Cleanup(watch.Close)
	cfg.Env = append(slices.Clone(cfg.Env), "TODOKU_PROOF_SECONDS=3600", "TODOKU_DEAD_MAN_URL="+watch.URL)
	d := deploy(t, cfg, 0)
	if status, report := d.health(); status != http.StatusServiceUnavailable {
		t.Errorf("before the first proof: status %d, %v", status, report)
	}
	(&Drill{TB: t}).Until("a proof", func() bool {
		if err := d.Cloud.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		status, report := d.health()
		return status == http.StatusOK && report["last_proof_minutes"] == 0.0 && pings.Load() == 1
	})
	sent := d.SES.Sent()
	if len(sent) != 1 || sent[0].To != "success@simulator.amazonses.com" {
		t.Errorf("%d mails", len(sent))
	}
}

// checkMetrics reads the metrics as Prometheus does, and holds them to be known and few.
func checkMetrics(t *testing.T, url string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	line := regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="[a-z_-]+"(,[a-z]+="[a-z_-]+")*\})? [0-9.e+-]+$`)
	seen := map[string]int{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		m := line.FindStringSubmatch(lines.Text())
		if m == nil || metrics.Known[m[1]].Help == "" {
			t.Errorf("a line that nobody expects: %s", lines.Text())
			continue
		}
		seen[m[1]]++
	}
	for _, name := range []string{metrics.AlertsOpen, metrics.ProofAge, metrics.ProofTook, metrics.DeadLetters, metrics.QueueOldest, metrics.LogRecords} {
		if seen[name] == 0 {
			t.Errorf("no %s", name)
		}
	}
}

// TestGrafana: the dashboard asks for metrics that there are.
func TestGrafana(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana.json")
	if err != nil || !json.Valid(text) {
		t.Fatalf("%v; valid: %v", err, json.Valid(text))
	}
	asked := map[string]bool{}
	for _, name := range regexp.MustCompile(`todoku_[a-z_]+`).FindAllString(string(text), -1) {
		asked[name] = true
		if metrics.Known[name].Help == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for name := range metrics.Known {
		if !asked[name] && name != metrics.Proofs && name != metrics.AlarmTest { // those are of AWS
			t.Errorf("%s is on no panel", name)
		}
	}
}

// started runs a machine with the demo school until the test ends.
func started(t *testing.T, cfg machine.Config) *machine.Machine {
	t.Helper()
	m, err := machine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.FoundDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			t.Error(err)
		}
	})
	return m
}
