// Package plan says, as data, what runs on AWS: the functions, what starts them,
// what each may do, and the queues between them. The build program, the stack and
// the tests of least privilege all read these tables; to add a function is to add
// an entry here and its variables to package config.
package plan

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/link"
)

// Function is one Lambda function. Its program is functions/<Name>/lambda.
type Function struct {
	Name string
	// Memory is in MB. The share of a processor grows with it: 1,769 MB are one
	// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
	Memory  int
	Timeout time.Duration
	Trigger Trigger
	Uses    []Use // besides what its trigger and its log need
}

// Trigger is what starts a function: HTTP, FromQueue or EveryMinute.
type Trigger interface{ trigger() }

type (
	// HTTP starts a function for the requests of its routes.
	HTTP struct{ Routes []Route }
	// FromQueue starts a function with batches of at most Batch messages (0: ten) from the
	// queue of that name, at most Concurrency at once (2 to 1000). A batch waits up to Window
	// to become full: whole seconds, and none for a FIFO queue, where Lambda allows none. It
	// takes a window for more than ten messages, too.
	FromQueue struct {
		Queue       string
		Batch       int
		Concurrency int
		Window      time.Duration
	}
	// EveryMinute starts a function by the clock.
	EveryMinute struct{}
)

func (HTTP) trigger()        {}
func (FromQueue) trigger()   {}
func (EveryMinute) trigger() {}

// Route is a route of the HTTP API, and how many requests a second, and at once,
// all its users together may send. Its key is also all that the access log says
// of a request's path, because paths hold the tokens of links.
type Route struct {
	Key   string // as API Gateway writes it: "ANY " + link.Answer.Path() + "{proxy+}", or "$default"
	Rate  int
	Burst int
}

// Use is something that a function does to another part of the system.
type Use string

// What functions do.
const (
	ReadTable      Use = "read items of the table by key"
	QueryTable     Use = "query partitions of the table"
	WriteTable     Use = "write table"
	SendJobs       Use = "send jobs"
	SendCopies     Use = "send copies"
	PostponeJobs   Use = "postpone jobs"
	PostponeCopies Use = "postpone copies"
	CountCopies    Use = "count copies that wait"
	TakeDead       Use = "take dead letters"
	ReturnDead     Use = "put dead letters back"
	SettleCopies   Use = "say early which copies are handled"
	SendMail       Use = "send mail"
	ReadAccount    Use = "read the account's state"
	ReadKeys       Use = "read keys"
	ReadOpenID     Use = "read the secret of the OpenID client" // if the operator has named one
	ReadIdentities Use = "read how the schools' mail domains are set up"
	ReadMailSet    Use = "read what SES tells of mail"
	ReadSilenced   Use = "read whom SES does not send to"
	ClearSilenced  Use = "have SES send again to somebody"
)

// Actions are the IAM actions that a use needs.
var Actions = map[Use][]string{
	ReadTable:  {"dynamodb:GetItem"},
	QueryTable: {"dynamodb:Query"},
	// A transaction needs the action of each of its ops
	// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
	WriteTable:     {"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
	SendJobs:       {"sqs:SendMessage"},
	SendCopies:     {"sqs:SendMessage"},
	PostponeJobs:   {"sqs:ChangeMessageVisibility"},
	PostponeCopies: {"sqs:ChangeMessageVisibility"},
	CountCopies:    {"sqs:GetQueueAttributes"},
	TakeDead:       {"sqs:DeleteMessage", "sqs:ReceiveMessage"},
	ReturnDead:     {"sqs:SendMessage"},
	SettleCopies:   {"sqs:DeleteMessage"},
	// SendEmail is the call; for a raw message SES asks for the other right as well
	// (https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html).
	SendMail: {"ses:SendEmail", "ses:SendRawEmail"},
	// What SES says of the account is of no resource.
	ReadAccount:    {"ses:GetAccount"},
	ReadKeys:       {"secretsmanager:GetSecretValue"},
	ReadOpenID:     {"secretsmanager:GetSecretValue"},
	ReadIdentities: {"ses:GetEmailIdentity"},
	ReadMailSet:    {"ses:GetConfigurationSet", "ses:GetConfigurationSetEventDestinations"},
	// As with the account's state, there is no resource.
	ReadSilenced:  {"ses:ListSuppressedDestinations"},
	ClearSilenced: {"ses:DeleteSuppressedDestination"},
}

// ConsumeActions are what Lambda needs on a queue to start a function from it
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
// Lambda uses the function's role for it; the function's own code does not.
var ConsumeActions = []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

// LogActions are what Lambda needs to write a function's log.
var LogActions = []string{"logs:CreateLogStream", "logs:PutLogEvents"}

// Names of the queues.
const (
	Jobs   = "jobs"   // console and tick -> fanout: what is to be done for an alert
	Copies = "copies" // fanout and tick -> dispatch: one message a copy
	Events = "events" // SES -> feedback: what became of a mail
	Mails  = "mails"  // SES -> inbound: mail that came in
)

// Queue is a queue with its dead letters.
type Queue struct {
	Name string
	FIFO bool
	// MaxReceives is after how many receives in vain a message is a dead letter.
	MaxReceives int
	// Late is how old the oldest message may become before somebody is told.
	Late time.Duration
}

// Queues are all queues.
var Queues = []Queue{
	{Name: Jobs, FIFO: true, MaxReceives: dead.JobReceives, Late: 5 * time.Minute},
	{Name: Copies, FIFO: true, MaxReceives: dead.JobReceives, Late: 10 * time.Minute},
	{Name: Events, MaxReceives: dead.EventReceives, Late: 15 * time.Minute},
	{Name: Mails, MaxReceives: dead.EventReceives, Late: 15 * time.Minute},
}

// Functions are all functions.
var Functions = []Function{
	{
		Name: "console", Memory: 1024, Timeout: httpTimeout,
		Trigger: HTTP{[]Route{
			{"$default", 100, 200},
			{"ANY /api/{proxy+}", 50, 100},
			// All staff of a district at once, three requests each within two minutes. The
			// limit is one for all who ask, so a low one would let a stranger keep them
			// out; what strangers cost has budgets (package budget).
			{"ANY /sign-in", 200, 400},
			{"ANY /sign-in/{proxy+}", 200, 400},
		}},
		Uses: []Use{ReadTable, QueryTable, WriteTable, SendJobs, SendMail, ReadAccount, ReadKeys, ReadOpenID},
	},
	{
		Name: "registration", Memory: 512, Timeout: httpTimeout,
		Trigger: HTTP{[]Route{
			{"ANY /register", 100, 200}, {"ANY /register/{proxy+}", 100, 200},
			{"GET /help/mail", 100, 200}, {"GET /help/mail/{operator}", 100, 200},
		}},
		Uses: []Use{ReadTable, QueryTable, WriteTable, SendMail, ReadKeys},
	},
	{
		Name: "acknowledge", Memory: 512, Timeout: httpTimeout,
		// Of 64,000 guardians a third open their link within two minutes: 180 a
		// second, each with the style sheet and an answer.
		Trigger: HTTP{[]Route{
			{"ANY " + link.Answer.Path() + "{proxy+}", 600, 1200},
			{"ANY " + link.Read.Path() + "{proxy+}", 600, 1200},
			{"GET /static/{name}", 600, 1200},
		}},
		Uses: []Use{ReadTable, WriteTable, ReadKeys},
	},
	{
		// A fan-out that takes longer than the timeout goes on where it was. The
		// timeout is short because its six times is how long a crash holds up.
		Name: "fanout", Memory: 1024, Timeout: 2 * time.Minute,
		Trigger: FromQueue{Queue: Jobs, Concurrency: 4},
		Uses:    []Use{ReadTable, QueryTable, WriteTable, PostponeJobs, SendCopies},
	},
	{
		// Ten mails take SES about a second, thirty times less than the timeout.
		Name: "dispatch", Memory: 512, Timeout: 30 * time.Second,
		Trigger: FromQueue{Queue: Copies, Concurrency: 64},
		Uses:    []Use{ReadTable, QueryTable, WriteTable, PostponeCopies, SettleCopies, SendMail, ReadAccount, ReadKeys},
	},
	{
		Name: "feedback", Memory: 256, Timeout: 30 * time.Second,
		// The events of a batch share the writes of their counters and lanes: alone each would
		// cost twice as much. Nobody waits for two seconds more. One write has room for some 40
		// families (table.MaxOps), and is made again if another changed one of them: so few
		// are at work at once.
		Trigger: FromQueue{Queue: Events, Batch: 40, Concurrency: 2, Window: 2 * time.Second},
		Uses:    []Use{ReadTable, QueryTable, WriteTable},
	},
	{
		Name: "inbound", Memory: 256, Timeout: 30 * time.Second,
		Trigger: FromQueue{Queue: Mails, Concurrency: 4},
		Uses:    []Use{ReadTable, QueryTable, WriteTable, SendCopies, SendMail, ReadKeys},
	},
	{
		// It ends before the next one begins.
		Name: "tick", Memory: 512, Timeout: 55 * time.Second,
		Trigger: EveryMinute{},
		Uses:    []Use{ReadTable, QueryTable, WriteTable, SendJobs, SendCopies, ReadAccount, ReadIdentities, ReadMailSet, ReadSilenced, ClearSilenced, ReadKeys, CountCopies, TakeDead, ReturnDead},
	},
}

// httpTimeout is just under the 30 seconds that the HTTP API waits, so that the
// function's own error page is what people see.
const httpTimeout = 29 * time.Second

// visibilityFactor is how many times a function's timeout, and its batches' window
// besides, its queue hides a message: AWS asks for six, for the retries of a throttled function
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
const visibilityFactor = 6

// Visibility is how long a queue hides a message from others while it is handled.
func Visibility(queue string) time.Duration {
	for _, f := range Functions {
		if q, ok := f.Trigger.(FromQueue); ok && q.Queue == queue {
			return visibilityFactor*f.Timeout + q.Window
		}
	}
	return 0
}

// Present returns the functions of which this source tree, at root, has the
// program.
func Present(root string) []Function {
	return slices.DeleteFunc(slices.Clone(Functions), func(f Function) bool {
		_, err := os.Stat(filepath.Join(root, "functions", f.Name, "lambda", "main.go"))
		return err != nil
	})
}
