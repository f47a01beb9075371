package stack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/metrics"
)

// TestAlarms says which alarms there are and when they go off.
func TestAlarms(t *testing.T) {
	const over, below = "GreaterThanThreshold", "LessThanThreshold"
	tests := []struct {
		name    string
		compare string
		limit   float64
		missing string
	}{
		{"JobsLate", over, 300, "notBreaching"},
		{"CopiesLate", over, 600, "notBreaching"},
		{"EventsLate", over, 900, "notBreaching"},
		{"MailsLate", over, 900, "notBreaching"},
		{"JobsGiven", over, 0, "notBreaching"},
		{"CopiesGiven", over, 0, "notBreaching"},
		{"EventsGiven", over, 0, "notBreaching"},
		{"MailsGiven", over, 0, "notBreaching"},
		{"Unheard", over, 0, "notBreaching"},
		{"Brake", over, 0, "notBreaching"},
		{"FanOutStuck", over, 0, "notBreaching"},
		{"LaneStuck", over, 0, "notBreaching"},
		{"BounceRate", over, 0.03, "notBreaching"},
		{"ComplaintRate", over, 0.0005, "notBreaching"},
		{"SendQuota", over, 70, "notBreaching"},
		{"WebErrors", over, 2, "notBreaching"},
		{"Heartbeat", below, 1, "breaching"},
		{"Proof", below, 1, "breaching"},
		{"Proofdocomo", below, 1, "breaching"},
		{"Proofgoogle", below, 1, "breaching"},
		{"AlarmTest", over, 0, "notBreaching"},
	}
	for _, f := range plan.Functions {
		for _, kind := range []string{"Errors", "Throttled"} {
			tests = append(tests, struct {
				name    string
				compare string
				limit   float64
				missing string
			}{title(f.Name) + kind, over, 0, "notBreaching"})
		}
	}
	tmpl := made(t, "whole")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tmpl.one(t, "AWS::CloudWatch::Alarm", tt.name).Properties
			want := object{"ComparisonOperator": tt.compare, "Threshold": tt.limit, "TreatMissingData": tt.missing}
			if d := within(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if len(list(got["AlarmActions"])) != 1 || len(list(got["OKActions"])) != 1 {
				t.Error("nobody is told")
			}
			if says, _ := got["AlarmDescription"].(string); !explained(t, says) {
				t.Errorf("docs/operate.md has no such section: %q", says)
			}
		})
	}
	if n := len(tmpl.of("AWS::CloudWatch::Alarm")); n != len(tests) {
		t.Errorf("%d alarms, %d of them known", n, len(tests))
	}
}

// explained reports whether the section of the runbook that an alarm names exists.
func explained(t *testing.T, says string) bool {
	t.Helper()
	runbook, err := os.ReadFile("../../../docs/operate.md")
	must(t, err)
	named := regexp.MustCompile(`See "(.+)" in docs/operate\.md`).FindStringSubmatch(says)
	return named != nil && strings.Contains(string(runbook), "\n### "+named[1]+"\n")
}

// TestMetricMath checks the formulas, and over which periods they are looked at: silence is
// to be told within five minutes, and within two times of the proofs' rhythm.
func TestMetricMath(t *testing.T) {
	for _, tt := range []struct {
		name, formula   string
		period, periods float64
	}{
		{"Heartbeat", "FILL(runs, 0) - FILL(failures, 0)", 60, 5},
		{"Proof", "FILL(proofs, 0)", 3600, 2},
		{"Proofdocomo", "FILL(proofs, 0)", 3600, 2},
		{"SendQuota", "100 * sent / 100000", 86400, 1},
	} {
		got := made(t, "whole").one(t, "AWS::CloudWatch::Alarm", tt.name).Properties
		text, err := json.Marshal(got["Metrics"])
		must(t, err)
		for _, want := range []string{fmt.Sprintf(`"Expression":%q`, tt.formula), fmt.Sprintf(`"Period":%v`, tt.period)} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: want %s in %s", tt.name, want, text)
			}
		}
		if got["EvaluationPeriods"] != tt.periods {
			t.Errorf("%s: %v periods, want %v", tt.name, got["EvaluationPeriods"], tt.periods)
		}
	}
}

// TestDashboard checks that every queue and function is on it.
func TestDashboard(t *testing.T) {
	text, err := json.Marshal(made(t, "whole").one(t, "AWS::CloudWatch::Dashboard", "").Properties)
	must(t, err)
	names := []string{"Reputation.BounceRate", "Reputation.ComplaintRate", "send quota used"}
	for _, q := range plan.Queues {
		names = append(names, q.Name)
	}
	for _, f := range plan.Functions {
		names = append(names, f.Name)
	}
	for name := range metrics.Known {
		if name != metrics.QueueOldest && name != metrics.AlarmTest { // SQS has the first; the second is an alarm alone
			names = append(names, name)
		}
	}
	for _, n := range names {
		if !strings.Contains(string(text), n) {
			t.Errorf("%s is not on the dashboard", n)
		}
	}
}
