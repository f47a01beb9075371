// Package metrics says a few numbers of how the system does, under the same names in
// both modes: as the text that Prometheus reads on the single machine, and in
// CloudWatch's embedded metric format on AWS.
//
// The names and their labels are few, so that they cost little and fit on one page:
// no label has more values than there are lanes in the lanes file, and none names a
// person, an address, a school or an alert.
package metrics

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sample is one number.
type Sample struct {
	Name   string
	Value  float64
	Labels map[string]string // at most three
}

// Metric says what a name means.
type Metric struct {
	Help string // in words that a school would use
	Unit string // of CloudWatch: "Count" or "Seconds"
	Sum  bool   // it counts up for as long as the process lives
}

// The names.
const (
	AlertsOpen  = "todoku_alerts_open"
	Copies      = "todoku_copies"
	Children    = "todoku_children"
	Backlog     = "todoku_backlog_seconds"
	Answered    = "todoku_answer_half_seconds"
	DeadLetters = "todoku_dead_letters"
	Stuck       = "todoku_stuck"
	Healed      = "todoku_healed"
	Verdict     = "todoku_verdict_seconds"
	QueueOldest = "todoku_queue_oldest_seconds"
	Paused      = "todoku_lane_paused"
	Window      = "todoku_lane_window"
	Unheard     = "todoku_lanes_unheard"
	Brake       = "todoku_brake"
	Proofs      = "todoku_proofs"
	ProofTook   = "todoku_proof_seconds"
	ProofAge    = "todoku_proof_age_seconds"
	Findings    = "todoku_doctor_findings"
	LogRecords  = "todoku_log_records_total"
	AlarmTest   = "todoku_alarm_test"
)

// Known are all metrics.
var Known = map[string]Metric{
	AlertsOpen:  {"alerts that guardians can answer now", "Count", false},
	Copies:      {"mails of the open alerts, by mail operator and by how far they are", "Count", false},
	Children:    {"children of the open alerts, by what is known of them", "Count", false},
	Backlog:     {"how long the oldest mail of an open alert has waited that has not left yet", "Seconds", false},
	Answered:    {"after how long half of those who have answered the newest open alert had", "Seconds", false},
	DeadLetters: {"messages that were given up, by queue: somebody was not told", "Count", false},
	Stuck:       {"what stands still on its way to guardians, by kind", "Count", false},
	Healed:      {"what stood still and was put right by itself, ever, by kind", "Count", false},
	Verdict:     {"how long a mail operator usually takes to say what became of a mail", "Seconds", false},
	QueueOldest: {"age of the oldest message that waits, by queue", "Seconds", false},
	Paused:      {"1 while a mail operator is not sent to because it put mails off", "Count", false},
	Window:      {"mails that a mail operator may have without having said what became of them", "Count", false},
	Unheard:     {"mail operators to which mail goes at a cautious rate because no news of it comes in", "Count", false},
	Brake:       {"1 while notices are stopped because too many mails came back or were reported as spam", "Count", false},
	Proofs:      {"proofs that an alert is answered", "Count", false},
	ProofTook:   {"how long the newest proof took, from the alert to the answer", "Seconds", false},
	ProofAge:    {"how long ago it was last proven that an alert is answered, by mail operator where it has a mailbox for that", "Seconds", false},
	Findings:    {"what the doctor has found, by how bad it is", "Count", false},
	LogRecords:  {"warnings and errors in the log since the start", "Count", true},
	AlarmTest:   {"1 once a week, to test that alarms arrive", "Count", false},
}

// Of returns a sample with labels given as name, value, name, value.
func Of(name string, value float64, labels ...string) Sample {
	s := Sample{Name: name, Value: value}
	for i := 0; i+1 < len(labels); i += 2 {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[labels[i]] = labels[i+1]
	}
	return s
}

// key tells samples of the same labels.
func (s Sample) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		_, _ = fmt.Fprintf(&b, "%s=%q,", name, s.Labels[name])
	}
	return strings.TrimSuffix(b.String(), ",")
}

func sorted(samples []Sample) []Sample {
	samples = slices.Clone(samples)
	slices.SortStableFunc(samples, func(a, b Sample) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.key(), b.key()))
	})
	return samples
}

// ContentType is that of WriteText.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// WriteText writes samples in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
func WriteText(w io.Writer, samples []Sample) error {
	b := bufio.NewWriter(w)
	last := ""
	for _, s := range sorted(samples) {
		if s.Name != last {
			kind := "gauge"
			if Known[s.Name].Sum {
				kind = "counter"
			}
			_, _ = fmt.Fprintf(b, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", s.Name, Known[s.Name].Help, kind)
			last = s.Name
		}
		labels := s.key()
		if labels != "" {
			labels = "{" + labels + "}"
		}
		_, _ = fmt.Fprintf(b, "%s%s %s\n", s.Name, labels, strconv.FormatFloat(s.Value, 'g', -1, 64))
	}
	return b.Flush()
}

// Namespace is that of the metrics in CloudWatch.
const Namespace = "Todoku"

// directive tells CloudWatch what of a log record is a metric
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
type directive struct {
	Timestamp         int64
	CloudWatchMetrics []group
}

type group struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []named
}

type named struct{ Name, Unit string }

// reserved are the fields that log records have.
var reserved = []string{slog.LevelKey, slog.MessageKey, slog.TimeKey, "_aws", "function"}

// Log writes samples as log records from which CloudWatch makes metrics: one for all
// samples that have the same labels.
func Log(log *slog.Logger, now time.Time, samples []Sample) {
	groups := map[string][]Sample{}
	for _, s := range sorted(samples) {
		groups[s.key()] = append(groups[s.key()], s)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := group{Namespace: Namespace, Dimensions: [][]string{slices.Sorted(maps.Keys(groups[key][0].Labels))}}
		if g.Dimensions[0] == nil {
			g.Dimensions[0] = []string{}
		}
		var fields []any
		for name, value := range groups[key][0].Labels {
			if slices.Contains(reserved, name) {
				panic("metrics: a label " + name + " is a field of every log record")
			}
			fields = append(fields, slog.String(name, value))
		}
		for _, s := range groups[key] {
			g.Metrics = append(g.Metrics, named{s.Name, Known[s.Name].Unit})
			fields = append(fields, slog.Float64(s.Name, s.Value))
		}
		log.Info("metrics", append(fields, slog.Any("_aws", directive{now.UnixMilli(), []group{g}}))...)
	}
}
