package stack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/queue"
)

// logLife is how long logs are kept. They hold ids only.
const logLife = awslogs.RetentionDays_THREE_MONTHS

// makeFunction makes a function with its role and its log, and lets its trigger
// start it.
func (b *builder) makeFunction(f plan.Function) {
	if q, ok := f.Trigger.(plan.FromQueue); ok && b.queues[q.Queue].live == nil {
		return // what feeds it is switched off
	}
	id := title(f.Name)
	log := awslogs.NewLogGroup(b.stack, jsii.String(id+"Log"), &awslogs.LogGroupProps{Retention: logLife})
	b.countRecords(id, log)
	fn := awslambda.NewFunction(b.stack, jsii.String(id), &awslambda.FunctionProps{
		Description:  jsii.String("Todoku: " + f.Name),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(b.program(f.Name), nil),
		MemorySize:   jsii.Number(f.Memory),
		Timeout:      seconds(f.Timeout),
		Environment:  b.environment(f),
		Role:         b.role(f, log),
		LogGroup:     log,
	})
	// The function names its role, which has its policies in it; that the CDK also
	// makes it depend on the role says nothing more.
	fn.Node().DefaultChild().(awslambda.CfnFunction).AddDeletionOverride(jsii.String("DependsOn"))
	b.functions[f.Name] = fn
	switch t := f.Trigger.(type) {
	case plan.HTTP:
		b.addRoutes(fn, t)
	case plan.FromQueue:
		b.consume(fn, t)
	case plan.EveryMinute:
		b.everyMinute(fn)
	}
}

// countRecords counts the warnings and errors of a log.
func (b *builder) countRecords(id string, log awslogs.LogGroup) {
	awslogs.NewMetricFilter(b.stack, jsii.String(id+"Records"), &awslogs.MetricFilterProps{
		LogGroup:        log,
		FilterPattern:   awslogs.FilterPattern_Literal(jsii.String(`{ $.level = "WARN" || $.level = "ERROR" }`)),
		MetricNamespace: jsii.String(metrics.Namespace), MetricName: jsii.String(metrics.LogRecords), MetricValue: jsii.String("1"),
		Dimensions: &map[string]*string{"severity": jsii.String("$.level")},
	})
}

// environment returns exactly the variables that the function reads.
func (b *builder) environment(f plan.Function) *map[string]*string {
	env := map[string]*string{}
	for _, v := range config.Needs(f.Name) {
		env[string(v)] = b.value(v)
	}
	return &env
}

func (b *builder) value(v config.Var) *string {
	switch v {
	case config.Table:
		return b.table.TableName()
	case config.Jobs:
		return b.queues[plan.Jobs].live.QueueUrl()
	case config.Copies:
		return b.queues[plan.Copies].live.QueueUrl()
	case config.Events:
		return b.queues[plan.Events].live.QueueUrl()
	case config.Mails:
		if b.queues[plan.Mails].live == nil {
			return jsii.String("")
		}
		return b.queues[plan.Mails].live.QueueUrl()
	case config.Dead:
		var urls []string
		for _, q := range plan.Queues {
			if pair, ok := b.queues[q.Name]; ok {
				urls = append(urls, q.Name+"="+*pair.dead.QueueUrl())
			}
		}
		return jsii.String(strings.Join(urls, " "))
	case config.Keys:
		return b.keys.SecretArn()
	case config.MailSets:
		return jsii.String(strings.Join(b.setsBySeconds(), ","))
	case config.BaseURL:
		return b.baseURL
	case config.Lease:
		// A copy is nobody else's for as long as the queue hides its message.
		return itoa(int(plan.Visibility(plan.Copies) / time.Second))
	}
	return b.chosen(v)
}

// chosen returns the value of a variable that holds what the operator chose.
func (b *builder) chosen(v config.Var) *string {
	switch v {
	case config.Lanes:
		return jsii.String(b.Settings.Lanes)
	case config.Proof:
		if b.Settings.Proof == 0 {
			return jsii.String("")
		}
		return itoa(b.Settings.Proof * int(time.Minute/time.Second))
	case config.KeepAlerts:
		return itoa(b.Settings.KeepAlerts)
	case config.Mailboxes:
		var boxes []string
		for _, m := range b.Settings.Mailboxes {
			boxes = append(boxes, m.Address)
		}
		return jsii.String(strings.Join(boxes, ","))
	case config.DeadMan:
		return jsii.String(b.Settings.DeadMan)
	case config.InboundDomain:
		return jsii.String(b.Settings.InboundDomain)
	case config.OpenIDIssuer:
		return jsii.String(b.Settings.OpenIDIssuer)
	case config.OpenIDClient:
		return jsii.String(b.Settings.OpenIDClient)
	case config.OpenIDSecret:
		return jsii.String(b.Settings.OpenIDSecret)
	case config.Name:
		return jsii.String(b.Settings.Name)
	case config.Phone:
		return jsii.String(b.Settings.Phone)
	}
	panic("stack: no value for " + v)
}

// setsBySeconds returns the configuration sets as package config reads them.
func (b *builder) setsBySeconds() (sets []string) {
	for _, set := range b.mails {
		sets = append(sets, *set.Ref()+"="+strconv.Itoa(set.seconds))
	}
	return sets
}

// role returns a role that may do exactly what the function does. Its policies are
// part of it, so that it is whole before the function or a trigger uses it.
func (b *builder) role(f plan.Function, log awslogs.LogGroup) awsiam.Role {
	statements := []awsiam.PolicyStatement{allow(plan.LogActions, log.LogGroupArn())}
	for _, u := range f.Uses {
		if u == plan.ReadOpenID && b.Settings.OpenIDSecret == "" {
			continue
		}
		statements = append(statements, allow(plan.Actions[u], b.resources(u)...))
	}
	if q, ok := f.Trigger.(plan.FromQueue); ok {
		statements = append(statements, allow(plan.ConsumeActions, b.queues[q.Queue].live.QueueArn()))
	}
	role := awsiam.NewRole(b.stack, jsii.String(title(f.Name)+"Role"), &awsiam.RoleProps{
		Description: jsii.String("Todoku: what " + f.Name + " may do"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"Uses": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
	if slices.Contains(f.Uses, plan.ReadAccount) {
		explain(role, "AwsSolutions-IAM5", "ses:GetAccount, which tells the account's sending rate, and ses:ListSuppressedDestinations and ses:DeleteSuppressedDestination have no resource but *.")
	}
	return role
}

func allow(actions []string, resources ...*string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(actions...),
		Resources: &resources,
	})
}

// resources returns what a use is of. One of them needs a wildcard: what SES says of
// the account is of no resource that could be named
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html).
func (b *builder) resources(u plan.Use) []*string {
	switch u {
	case plan.ReadTable, plan.QueryTable, plan.WriteTable:
		return []*string{b.table.TableArn()}
	case plan.SendJobs, plan.PostponeJobs:
		return []*string{b.queues[plan.Jobs].live.QueueArn()}
	case plan.SendCopies, plan.PostponeCopies, plan.SettleCopies, plan.CountCopies:
		return []*string{b.queues[plan.Copies].live.QueueArn()}
	case plan.TakeDead:
		var arns []*string
		for _, q := range plan.Queues {
			if pair, ok := b.queues[q.Name]; ok {
				arns = append(arns, pair.dead.QueueArn())
			}
		}
		return arns
	case plan.ReturnDead: // to those that it does not send to otherwise
		arns := []*string{b.queues[plan.Events].live.QueueArn()}
		if pair, ok := b.queues[plan.Mails]; ok {
			arns = append(arns, pair.live.QueueArn())
		}
		return arns
	case plan.SendMail:
		return slices.Concat(b.setResources(), b.identities())
	case plan.ReadMailSet:
		return b.setResources()
	case plan.ReadIdentities:
		return b.identities()
	case plan.ReadAccount, plan.ReadSilenced, plan.ClearSilenced:
		return []*string{jsii.String("*")}
	case plan.ReadKeys:
		return []*string{b.keys.SecretArn()}
	case plan.ReadOpenID:
		return []*string{jsii.String(b.Settings.OpenIDSecret)}
	}
	panic("stack: no resource for " + u)
}

func (b *builder) consume(fn awslambda.Function, t plan.FromQueue) {
	props := awslambda.EventSourceMappingProps{
		Target:                  fn,
		EventSourceArn:          b.queues[t.Queue].live.QueueArn(),
		BatchSize:               jsii.Number(cmp.Or(t.Batch, queue.MaxBatch)),
		MaxConcurrency:          jsii.Number(t.Concurrency),
		ReportBatchItemFailures: jsii.Bool(true),
	}
	if t.Window > 0 {
		props.MaxBatchingWindow = seconds(t.Window)
	}
	awslambda.NewEventSourceMapping(b.stack, jsii.String(title(t.Queue)+"Source"), &props)
}

// everyMinute starts a function by the clock. A run that could not begin is not
// made up for: the next one does its work.
func (b *builder) everyMinute(fn awslambda.Function) {
	fn.ConfigureAsyncInvoke(&awslambda.EventInvokeConfigOptions{
		RetryAttempts: jsii.Number(0),
		MaxEventAge:   seconds(time.Minute),
	})
	awsevents.NewRule(b.stack, jsii.String("EveryMinute"), &awsevents.RuleProps{
		Description: jsii.String("Todoku: reminders, expiry, and what else is due"),
		Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(1))),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fn, &awseventstargets.LambdaFunctionProps{
			RetryAttempts: jsii.Number(0),
			MaxEventAge:   seconds(time.Minute),
		})},
	})
}
