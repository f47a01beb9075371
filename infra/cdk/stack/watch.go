package stack

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/proof"
)

// alarm is something that somebody must hear of. It goes off when the metric is
// over the limit (with below: under it) in Periods periods of its length, one
// after another.
type alarm struct {
	id      string
	says    string // what happened, and what to do; docs/operate.md has a section on each
	metric  awscloudwatch.IMetric
	limit   float64
	periods int
	below   bool
	// silence says that no data is as bad as bad data. CloudWatch believes that only when there
	// is none in more periods than those that it is asked about; so where it has to be told in
	// time the metric is filled (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html).
	silence bool
}

func (b *builder) makeAlarms() {
	b.alarms = awssns.NewTopic(b.stack, jsii.String("Alarms"), &awssns.TopicProps{
		DisplayName: jsii.String("Todoku"),
		EnforceSSL:  jsii.Bool(true),
	})
	b.alarms.AddToResourcePolicy(publish("cloudwatch.amazonaws.com", b.alarms, map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": b.stack.Account()},
	}))
	if b.Settings.AlarmMail != "" {
		awssns.NewSubscription(b.stack, jsii.String("AlarmMail"), &awssns.SubscriptionProps{
			Topic: b.alarms, Protocol: awssns.SubscriptionProtocol_EMAIL, Endpoint: jsii.String(b.Settings.AlarmMail),
		})
	}
	for _, a := range b.queueAlarms() {
		b.makeAlarm(a)
	}
	for _, a := range b.mailAlarms() {
		b.makeAlarm(a)
	}
	for _, a := range b.functionAlarms() {
		b.makeAlarm(a)
	}
	if b.Settings.Proof > 0 {
		for _, a := range b.proofAlarms() {
			b.makeAlarm(a)
		}
	}
}

func (b *builder) makeAlarm(a alarm) {
	compare := awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD
	if a.below {
		compare = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	missing := awscloudwatch.TreatMissingData_NOT_BREACHING
	if a.silence {
		missing = awscloudwatch.TreatMissingData_BREACHING
	}
	made := awscloudwatch.NewAlarm(b.stack, jsii.String(a.id), &awscloudwatch.AlarmProps{
		AlarmDescription:   jsii.String(a.says),
		Metric:             a.metric,
		Threshold:          jsii.Number(a.limit),
		EvaluationPeriods:  jsii.Number(a.periods),
		ComparisonOperator: compare,
		TreatMissingData:   missing,
	})
	to := awscloudwatchactions.NewSnsAction(b.alarms)
	made.AddAlarmAction(to)
	made.AddOkAction(to)
}

// over returns how a metric is read.
func over(statistic string, period time.Duration) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Period: seconds(period)}
}

// queueAlarms tell of what waits too long or was given up.
func (b *builder) queueAlarms() []alarm {
	var alarms []alarm
	for _, q := range plan.Queues {
		pair, ok := b.queues[q.Name]
		if !ok {
			continue
		}
		alarms = append(alarms, alarm{
			id:     title(q.Name) + "Late",
			says:   fmt.Sprintf("The oldest message in %s is older than %v. See \"Late\" in docs/operate.md.", q.Name, q.Late),
			metric: pair.live.MetricApproximateAgeOfOldestMessage(over("Maximum", time.Minute)),
			limit:  q.Late.Seconds(), periods: 2,
		}, alarm{
			id:     title(q.Name) + "Given",
			says:   fmt.Sprintf("A message of %s was given up. See \"Dead letters\" in docs/operate.md.", q.Name),
			metric: ownMetric(metrics.DeadLetters, "Maximum", time.Minute, "queue", q.Name),
			limit:  0, periods: 1,
		})
	}
	return alarms
}

// The rates at which somebody is told, well before AWS looks into an account, at
// 5 % of bounces and 0.1 % of complaints
// (https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-messages.html),
// and the carriers' own limit, which practitioners put at about 5 % too.
const (
	bounceLimit    = 0.03
	complaintLimit = 0.0005
	quotaLimit     = 70 // percent of the day's quota: a second alert of the size must fit
)

// mailAlarms tell of what would stop the account from sending.
func (b *builder) mailAlarms() []alarm {
	return []alarm{
		{
			id:     "Unheard",
			says:   "Mail goes on being sent, but SES's events stay away: nobody sees what arrives. See \"No events\" in docs/operate.md.",
			metric: ownMetric(metrics.Unheard, "Maximum", time.Minute), limit: 0, periods: 1,
		},
		{
			id:     "FanOutStuck",
			says:   "An alert was accepted and is not made into mails: nobody is being told. It is begun anew by itself. See \"Stuck\" in docs/operate.md.",
			metric: ownMetric(metrics.Stuck, "Maximum", time.Minute, "kind", string(heal.FanOut)), limit: 0, periods: 2,
		},
		{
			id:     "LaneStuck",
			says:   "A mail operator has taken no mail for half an hour: its guardians are told nothing. See \"Stuck\" in docs/operate.md.",
			metric: ownMetric(metrics.Stuck, "Maximum", time.Minute, "kind", string(heal.Lane)), limit: 0, periods: 1,
		},
		{
			id:     "Brake",
			says:   "Too many mails came back or were reported as spam: notices are stopped before AWS stops the account. See \"Brake\" in docs/operate.md.",
			metric: ownMetric(metrics.Brake, "Maximum", time.Minute), limit: 0, periods: 1,
		},
		{
			id:     "BounceRate",
			says:   "More than 3 % of mails bounce; from 5 % on AWS looks into the account. See \"Bounces and complaints\" in docs/operate.md.",
			metric: sesMetric("Reputation.BounceRate", "Maximum", time.Hour), limit: bounceLimit, periods: 1,
		},
		{
			id:     "ComplaintRate",
			says:   "More than 0.05 % of mails are reported as spam; from 0.1 % on AWS looks into the account. See \"Bounces and complaints\" in docs/operate.md.",
			metric: sesMetric("Reputation.ComplaintRate", "Maximum", time.Hour), limit: complaintLimit, periods: 1,
		},
		{
			id:     "SendQuota",
			says:   fmt.Sprintf("More than %d %% of the %d mails that SES allows in 24 hours are used. See \"Sending quota\" in docs/operate.md.", quotaLimit, b.Settings.SendQuota),
			metric: b.quotaUse(), limit: quotaLimit, periods: 1,
		},
	}
}

// quotaUse is how many percent of the day's quota are used. SES has no metric of
// the quota, so it comes from the settings.
func (b *builder) quotaUse() awscloudwatch.IMetric {
	const day = 24 * time.Hour
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression:   jsii.String(fmt.Sprintf("100 * sent / %d", b.Settings.SendQuota)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{"sent": sesMetric("Send", "Sum", day)},
		Label:        jsii.String("send quota used, %"),
		Period:       seconds(day),
	})
}

// sesMetric returns a metric of the account's sending as a whole.
func sesMetric(name, statistic string, period time.Duration) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String("AWS/SES"), MetricName: jsii.String(name), Statistic: jsii.String(statistic), Period: seconds(period),
	})
}

// functionAlarms tell of functions that fail, that may not run, and of a clock
// that stands still.
func (b *builder) functionAlarms() []alarm {
	var alarms []alarm
	for _, f := range b.Functions {
		fn, ok := b.functions[f.Name]
		if !ok {
			continue
		}
		alarms = append(alarms, alarm{
			id:     title(f.Name) + "Errors",
			says:   fmt.Sprintf("The function %s fails. See \"Errors\" in docs/operate.md.", f.Name),
			metric: fn.MetricErrors(over("Sum", 5*time.Minute)), limit: 0, periods: 1,
		}, alarm{
			id:     title(f.Name) + "Throttled",
			says:   fmt.Sprintf("The account's limit of concurrent functions holds %s up. See \"Throttles\" in docs/operate.md.", f.Name),
			metric: fn.MetricThrottles(over("Sum", 5*time.Minute)), limit: 0, periods: 2,
		})
		if _, ok := f.Trigger.(plan.EveryMinute); ok {
			alarms = append(alarms, b.heartbeat(f.Name))
		}
	}
	return append(alarms, alarm{
		id:     "WebErrors",
		says:   "Pages answer with server errors. See \"Errors\" in docs/operate.md.",
		metric: b.api.MetricServerError(over("Sum", 5*time.Minute)), limit: 2, periods: 1,
	})
}

// heartbeat goes off when the clock's function has not succeeded for five minutes, one by
// one, since the newest have their data late; above all when there is no data at all: whatever
// has died, silence tells.
func (b *builder) heartbeat(function string) alarm {
	fn := b.functions[function]
	return alarm{
		id:   "Heartbeat",
		says: "Nothing has run by the clock for five minutes: no reminders, no expiry, no retries. See \"Heartbeat\" in docs/operate.md.",
		metric: awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
			Expression: jsii.String("FILL(runs, 0) - FILL(failures, 0)"),
			UsingMetrics: &map[string]awscloudwatch.IMetric{
				"runs":     fn.MetricInvocations(over("Sum", time.Minute)),
				"failures": fn.MetricErrors(over("Sum", time.Minute)),
			},
			Label:  jsii.String("runs that succeeded"),
			Period: seconds(time.Minute),
		}),
		limit: 1, periods: 5, below: true, silence: true,
	}
}

// proofs are those that were given in a time of their rhythm; none is 0.
func proofs(every time.Duration, labels ...string) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression:   jsii.String("FILL(proofs, 0)"),
		UsingMetrics: &map[string]awscloudwatch.IMetric{"proofs": ownMetric(metrics.Proofs, "Sum", every, labels...)},
		Label:        jsii.String("proofs"),
		Period:       seconds(every),
	})
}

// proofAlarms tell when it is not proven any more that an alert is answered, and once a
// week that alarms arrive.
func (b *builder) proofAlarms() []alarm {
	every := time.Duration(b.Settings.Proof) * time.Minute
	alarms := []alarm{
		{
			id:     "Proof",
			says:   fmt.Sprintf("For %v nothing has proven that an alert is answered: guardians may not be told. See \"Proof\" in docs/operate.md.", 2*every),
			metric: proofs(every), limit: 1, periods: 2, below: true, silence: true,
		},
		{
			id:     "AlarmTest",
			says:   "Nothing is wrong: once a week this tests that alarms arrive. See \"Alarm test\" in docs/operate.md.",
			metric: ownMetric(metrics.AlarmTest, "Sum", time.Minute), limit: 0, periods: 1,
		},
	}
	for _, m := range b.Settings.Mailboxes {
		alarms = append(alarms, alarm{
			id:     "Proof-" + m.Lane,
			says:   fmt.Sprintf("For %v no mail to the mailbox at %s was answered: guardians there may not be told. See \"Proof\" in docs/operate.md.", 2*every, m.Lane),
			metric: proofs(every, proof.Labels(m.Lane)...), limit: 1, periods: 2, below: true, silence: true,
		})
	}
	return alarms
}

// ownMetric returns a metric of package metrics, with labels given as name, value.
func ownMetric(name, statistic string, period time.Duration, labels ...string) awscloudwatch.IMetric {
	var dimensions map[string]*string
	for i := 0; i+1 < len(labels); i += 2 {
		dimensions = map[string]*string{labels[i]: &labels[i+1]}
	}
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(metrics.Namespace), MetricName: &name, Statistic: jsii.String(statistic), Period: seconds(period), DimensionsMap: &dimensions,
	})
}

// own shows a metric of package metrics with all of its labels: what it has stands in
// the logs, and is searched for.
func own(title, name, statistic string, period time.Duration) awscloudwatch.IWidget {
	search := fmt.Sprintf(`SEARCH('Namespace="%s" MetricName="%s"', '%s', %d)`, metrics.Namespace, name, statistic, int(period/time.Second))
	return graph(title, []awscloudwatch.IMetric{awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: &search, Label: jsii.String(""), Period: seconds(period), UsingMetrics: &map[string]awscloudwatch.IMetric{},
	})})
}

// makeDashboard puts what one looks at during an alert on one page.
func (b *builder) makeDashboard() {
	var age, dead, errs, throttled, duration []awscloudwatch.IMetric
	for _, q := range plan.Queues {
		if pair, ok := b.queues[q.Name]; ok {
			age = append(age, labelled(pair.live.MetricApproximateAgeOfOldestMessage(over("Maximum", time.Minute)), q.Name))
			dead = append(dead, ownMetric(metrics.DeadLetters, "Maximum", time.Minute, "queue", q.Name))
		}
	}
	for _, f := range b.Functions {
		if fn, ok := b.functions[f.Name]; ok {
			errs = append(errs, labelled(fn.MetricErrors(over("Sum", time.Minute)), f.Name))
			throttled = append(throttled, labelled(fn.MetricThrottles(over("Sum", time.Minute)), f.Name))
			duration = append(duration, labelled(fn.MetricDuration(over("p99", time.Minute)), f.Name))
		}
	}
	mails := []awscloudwatch.IMetric{}
	for _, name := range []string{"Send", "Delivery", "Bounce", "Complaint"} {
		mails = append(mails, sesMetric(name, "Sum", time.Minute))
	}
	rates := []awscloudwatch.IMetric{
		sesMetric("Reputation.BounceRate", "Maximum", time.Hour), sesMetric("Reputation.ComplaintRate", "Maximum", time.Hour), b.quotaUse(),
	}
	web := []awscloudwatch.IMetric{
		b.api.MetricCount(over("Sum", time.Minute)), b.api.MetricClientError(over("Sum", time.Minute)), b.api.MetricServerError(over("Sum", time.Minute)),
	}
	awscloudwatch.NewDashboard(b.stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DefaultInterval: seconds(3 * time.Hour),
		Widgets: &[]*[]awscloudwatch.IWidget{
			{own("Proofs that an alert is answered", metrics.Proofs, "Sum", time.Hour), own("Doctor findings", metrics.Findings, "Maximum", time.Hour), own("Mails of open alerts", metrics.Copies, "Maximum", time.Minute)},
			{own("Children of open alerts", metrics.Children, "Maximum", time.Minute), own("Oldest alert not sent yet, s", metrics.Backlog, "Maximum", time.Minute), own("Paused operators", metrics.Paused, "Maximum", time.Minute)},
			{own("Half of the answers after, s", metrics.Answered, "Maximum", time.Minute), own("Verdicts after, s", metrics.Verdict, "Maximum", time.Minute), own("Window by operator", metrics.Window, "Maximum", time.Minute)},
			{own("Stuck", metrics.Stuck, "Maximum", time.Minute), own("Operators without news", metrics.Unheard, "Maximum", time.Minute), own("Brake", metrics.Brake, "Maximum", time.Minute)},
			{own("Alerts open", metrics.AlertsOpen, "Maximum", time.Minute), own("Last proof, s ago", metrics.ProofAge, "Maximum", time.Minute), own("A proof took, s", metrics.ProofTook, "Maximum", time.Hour)},
			{own("Warnings and errors in the log", metrics.LogRecords, "Sum", time.Minute), own("Put right by itself", metrics.Healed, "Maximum", time.Minute)},
			{graph("Oldest message, s", age), graph("Dead letters", dead), graph("Mails a minute", mails)},
			{graph("Requests a minute", web), graph("Function errors", errs), graph("Throttles", throttled)},
			{graph("Duration, p99, ms", duration), graph("Rates and quota", rates)},
		},
	})
}

func labelled(m awscloudwatch.Metric, label string) awscloudwatch.IMetric {
	return m.With(&awscloudwatch.MetricOptions{Label: jsii.String(label)})
}

func graph(title string, metrics []awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: jsii.String(title), Left: &metrics, Width: jsii.Number(8), Height: jsii.Number(6),
	})
}
