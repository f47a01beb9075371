// Package stack is Todoku on AWS as a CloudFormation stack: the functions of
// package plan with what they stand on.
//
// Names of resources are left to CloudFormation, so that several deployments fit
// into one account. What holds data (table, keys, logs) stays when the stack goes.
// Nothing in the template depends on the time, the machine or the account that
// makes it: the same source and settings give the same template.
package stack

import (
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsses"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/cdk/settings"
)

// Props says what to deploy.
type Props struct {
	Settings  settings.Settings
	Functions []plan.Function // those that there are programs of
	Programs  string          // the folder with <function>/bootstrap
}

// New adds the stack to the app.
func New(scope constructs.Construct, p Props) awscdk.Stack {
	b := &builder{Props: p, queues: map[string]queuePair{}, functions: map[string]awslambda.Function{}}
	b.stack = awscdk.NewStack(scope, jsii.String(p.Settings.Stack), &awscdk.StackProps{
		Description:           jsii.String("Todoku: emergency contact and safety confirmation for schools"),
		TerminationProtection: jsii.Bool(true),
	})
	b.makeTable()
	b.makeKeys()
	b.makeZone()
	b.makeQueues()
	b.makeMail()
	b.makeAPI()
	for _, f := range p.Functions {
		b.makeFunction(f)
	}
	b.makeStage()
	b.makeFeedback()
	b.makeInbound()
	b.makeAlarms()
	b.makeDashboard()
	b.makeOutputs()
	return b.stack
}

// builder is a stack in the making. A field is set by the method that its comment
// names, and later methods read it.
type builder struct {
	Props
	stack     awscdk.Stack
	table     awsdynamodb.ITable            // makeTable
	keys      awssecretsmanager.Secret      // makeKeys
	zone      awsroute53.IHostedZone        // makeZone; nil without one
	queues    map[string]queuePair          // makeQueues
	mails     []mailSet                     // makeMail; longest first
	records   []record                      // makeMail, makeWebDomain, makeInbound: what is to stand in the DNS
	api       awsapigatewayv2.HttpApi       // makeAPI
	baseURL   *string                       // makeAPI
	functions map[string]awslambda.Function // makeFunction
	routes    []routed                      // makeFunction
	alarms    awssns.Topic                  // makeAlarms
}

// mailSet is a configuration set and after how many seconds SES gives its mails up.
type mailSet struct {
	awsses.CfnConfigurationSet
	seconds int
}

// queuePair is a queue with its dead letters.
type queuePair struct{ live, dead awssqs.Queue }

func (b *builder) makeTable() {
	if b.Settings.Table != "" {
		b.table = awsdynamodb.Table_FromTableName(b.stack, jsii.String("RestoredTable"), jsii.String(b.Settings.Table))
	}
	// The stack's own table stays where it is while a restored one is in use.
	own := awsdynamodb.NewTable(b.stack, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		TimeToLiveAttribute: jsii.String("e"),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:          awsdynamodb.TableEncryption_AWS_MANAGED,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(true),
		RemovalPolicy:      awscdk.RemovalPolicy_RETAIN,
	})
	if b.table == nil {
		b.table = own
	}
}

// makeKeys makes the secret with the first key that signs links. Secrets Manager
// generates letters and digits only; 44 of them are base64 of 33 bytes and hold
// 262 bits of chance, and around them stands one key as package config reads it.
//
// Never change what generates it: CloudFormation would put a new first key in
// place of all keys, and every open link would be void.
func (b *builder) makeKeys() {
	b.keys = awssecretsmanager.NewSecret(b.stack, jsii.String("Keys"), &awssecretsmanager.SecretProps{
		Description: jsii.String("Todoku: keys that sign links"),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: jsii.String(`{"ID":1}`),
			GenerateStringKey:    jsii.String("Secret"),
			PasswordLength:       jsii.Number(44),
			ExcludePunctuation:   jsii.Bool(true),
		},
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
	})
	explain(b.keys, "AwsSolutions-SMG4",
		"The old key must stay valid while links of it are open, so keys are replaced in steps by the operator (docs/operate.md), not by a timer.")
}

func (b *builder) makeZone() {
	if b.Settings.Zone == "" {
		return
	}
	b.zone = awsroute53.HostedZone_FromHostedZoneAttributes(b.stack, jsii.String("Zone"), &awsroute53.HostedZoneAttributes{
		HostedZoneId: jsii.String(b.Settings.ZoneID),
		ZoneName:     jsii.String(b.Settings.Zone),
	})
}

// deadLife is how long a dead letter is kept: as long as SQS can.
const deadLife = 14 * 24 * time.Hour

func (b *builder) makeQueues() {
	for _, q := range plan.Queues {
		if q.Name == plan.Mails && b.Settings.InboundDomain == "" {
			continue
		}
		b.queues[q.Name] = b.makeQueue(q)
	}
}

// makeQueue makes a queue and its dead letters. A FIFO queue is in high-throughput
// mode: limits and deduplication are of a group, not of the queue
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html).
func (b *builder) makeQueue(q plan.Queue) queuePair {
	var fifo *bool // CloudFormation refuses false
	if q.FIFO {
		fifo = jsii.Bool(true)
	}
	dead := awssqs.NewQueue(b.stack, jsii.String(title(q.Name)+"Dead"), &awssqs.QueueProps{
		Fifo:            fifo,
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: seconds(deadLife),
	})
	props := &awssqs.QueueProps{
		Fifo:              fifo,
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		VisibilityTimeout: seconds(plan.Visibility(q.Name)),
		RetentionPeriod:   seconds(deadLife),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(q.MaxReceives)},
	}
	if q.FIFO {
		props.ContentBasedDeduplication = jsii.Bool(false) // every message brings its id
		props.DeduplicationScope = awssqs.DeduplicationScope_MESSAGE_GROUP
		props.FifoThroughputLimit = awssqs.FifoThroughputLimit_PER_MESSAGE_GROUP_ID
	}
	return queuePair{live: awssqs.NewQueue(b.stack, jsii.String(title(q.Name)), props), dead: dead}
}

// program returns the folder of a function's program.
func (b *builder) program(function string) *string {
	return jsii.String(filepath.Join(b.Programs, function))
}

func seconds(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}

// title returns a name with a capital letter, as logical ids have.
func title(name string) string { return string(name[0]-'a'+'A') + name[1:] }

// explain tells cdk-nag why the one finding on a resource is meant to be
// (https://github.com/cdklabs/cdk-nag/blob/main/README.md, "Suppressing a Rule"):
// metadata of the template, so that the reason travels with it.
func explain(c constructs.Construct, rule, reason string) {
	res := c.Node().DefaultChild().(awscdk.CfnResource)
	res.AddMetadata(jsii.String("cdk_nag"), map[string]any{
		"rules_to_suppress": []any{map[string]any{"id": rule, "reason": reason}},
	})
}

func itoa(n int) *string { return jsii.String(strconv.Itoa(n)) }
