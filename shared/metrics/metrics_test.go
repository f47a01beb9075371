package metrics

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var samples = []Sample{
	Of(Copies, 12, "lane", "docomo", "state", "sent"),
	Of(AlertsOpen, 1),
	Of(Copies, 3, "state", "queued", "lane", `a"b`),
	Of(LogRecords, 2, "severity", "error"),
	Of(ProofAge, 90.5),
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := WriteText(&b, samples); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		if !strings.HasPrefix(line, "# HELP") {
			got = append(got, line)
		}
	}
	want := []string{
		"# TYPE todoku_alerts_open gauge", "todoku_alerts_open 1",
		"# TYPE todoku_copies gauge", `todoku_copies{lane="a\"b",state="queued"} 3`, `todoku_copies{lane="docomo",state="sent"} 12`,
		"# TYPE todoku_log_records_total counter", `todoku_log_records_total{severity="error"} 2`,
		"# TYPE todoku_proof_age_seconds gauge", "todoku_proof_age_seconds 90.5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLog reads records as CloudWatch does: each names its metrics and dimensions, and
// has them at its top.
func TestLog(t *testing.T) {
	var b bytes.Buffer
	now := time.UnixMilli(1_790_000_000_123)
	Log(slog.New(slog.NewJSONHandler(&b, nil)), now, samples)
	var got []string
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		var record map[string]any
		var of struct {
			AWS directive `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatal(err)
		}
		if of.AWS.Timestamp != now.UnixMilli() || len(of.AWS.CloudWatchMetrics) != 1 {
			t.Fatalf("%s", line)
		}
		g := of.AWS.CloudWatchMetrics[0]
		text := ""
		for _, d := range g.Dimensions[0] {
			text += d + "=" + record[d].(string) + " "
		}
		for _, m := range g.Metrics {
			if _, ok := record[m.Name].(float64); !ok || g.Namespace != "Todoku" || m.Unit == "" {
				t.Errorf("%s: %s", m.Name, line)
			}
			text += m.Name + " "
		}
		got = append(got, text)
	}
	slices.Sort(got)
	want := []string{"lane=a\"b state=queued todoku_copies ", "lane=docomo state=sent todoku_copies ", "severity=error todoku_log_records_total ", "todoku_alerts_open todoku_proof_age_seconds "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestReserved: a label that is a field of every log record would make two of it.
func TestReserved(t *testing.T) {
	for _, name := range []string{slog.LevelKey, slog.MessageKey, slog.TimeKey, "_aws", "function"} {
		if !panics(func() { Log(slog.New(slog.DiscardHandler), time.Now(), []Sample{Of(Copies, 1, name, "x")}) }) {
			t.Errorf("a label %q is taken", name)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestKnown(t *testing.T) {
	for name, m := range Known {
		if m.Help == "" || m.Unit == "" || !strings.HasPrefix(name, "todoku_") || m.Sum != strings.HasSuffix(name, "_total") {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
