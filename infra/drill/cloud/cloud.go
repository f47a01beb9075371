// Package cloud is the whole of Todoku's AWS mode on this machine: the built
// programs of the functions, driven through Lambda's Runtime API, on a DynamoDB
// and an SQS of others, with an SES and an HTTP API that play their parts here. It
// is for drills.
package cloud

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/cdk/settings"
	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/infra/drill/runtimeapi"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/table/dynamo"
)

// Config says what to put together.
type Config struct {
	Name, Phone string // who answers for the system, on error pages
	Programs    string // folder of <function>/bootstrap, built for this machine
	Dynamo, SQS string // addresses of the servers, which several clouds may share
	Log         *slog.Logger

	SES sesfake.Config // Emit is the cloud's own
	// Before, if not nil, sees every request to SES first, and answers it or passes
	// it on.
	Before func(next http.Handler) http.Handler

	Clock      string                   // file with the time, for programs built with the tag drill; "": the real time
	Now        func() time.Time         // the same time; nil: time.Now
	Visibility map[string]time.Duration // of queues, by name; what is not there is as in the plan
	// Receives is how often a queue hands a message out before it gives it up, where that is
	// not as planned.
	Receives      map[string]int
	Windows       bool     // batches wait to become full, as in the plan; else everything goes on at once
	InboundDomain string   // whose mail the account receives
	Most          int      // most instances of a function; 0: as in the plan
	Lanes         string   // text of the lanes file; "": as shipped
	Host          string   // name of the pages' address, which leads to 127.0.0.1; "": that address
	OpenID        OpenID   // with which staff can sign in as well; zero: none
	Env           []string // further variables of every function
}

// OpenID is a provider and the client that it knows. The functions are told where the
// client's secret is, as the stack tells them, and read it there.
type OpenID struct{ Issuer, Client, Secret string }

// openIDSecret is how an operator's secret is named in the settings.
const openIDSecret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:openid-AbCdEf" //nolint:gosec // a name

// Cloud is a running deployment. Close it.
type Cloud struct {
	URL       string // of the pages
	SES       *sesfake.Server
	Table     *dynamo.Table // as an operator sees it
	IDs       *id.Source
	Functions map[string]*runtimeapi.Function

	cfg     Config
	env     map[config.Var]string
	configs map[string]runtimeapi.Config
	client  *sqs.Client
	front   *front
	lines   map[string]*line
	dead    map[string]string // addresses of the queues of dead letters, by the queues' names
	servers []*http.Server
	log     *logLines
	running sync.WaitGroup
	stop    context.CancelFunc
}

// last numbers the clouds that share servers.
var last atomic.Int64

// New puts a deployment together and starts it. ctx bounds the start alone.
func New(ctx context.Context, cfg Config) (*Cloud, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cloud{
		cfg: cfg, client: peers.SQSClient(cfg.SQS), lines: map[string]*line{}, dead: map[string]string{}, log: &logLines{log: cfg.Log},
		Functions: map[string]*runtimeapi.Function{}, configs: map[string]runtimeapi.Config{},
	}
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cloud) start(ctx context.Context) error {
	name := fmt.Sprintf("todoku-%d", last.Add(1))
	if err := c.makeTable(ctx, name); err != nil {
		return err
	}
	if err := c.makeFront(); err != nil {
		return err
	}
	address, err := c.serve(c.front)
	if err != nil {
		return err
	}
	c.env = map[config.Var]string{
		config.Table: name, config.Keys: "keys", config.MailSets: mailSets(), config.Lanes: c.cfg.Lanes,
		config.InboundDomain: c.cfg.InboundDomain,
		config.Name:          c.cfg.Name, config.Phone: c.cfg.Phone,
		config.Lease: strconv.Itoa(int(c.visibility(plan.Copies) / time.Second)),
	}
	if c.cfg.OpenID.Issuer != "" {
		c.env[config.OpenIDIssuer], c.env[config.OpenIDClient], c.env[config.OpenIDSecret] = c.cfg.OpenID.Issuer, c.cfg.OpenID.Client, openIDSecret
	}
	if err := c.makeQueues(ctx, name); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.URL = "http://" + l.Addr().String()
	if c.cfg.Host != "" {
		c.URL = strings.Replace(c.URL, "127.0.0.1", c.cfg.Host, 1)
	}
	c.env[config.BaseURL] = c.URL
	c.makeFunctions(address)
	c.listen(l, gateway(c.Functions))
	c.consume()
	return nil
}

// sets are the configuration sets, as the stack makes them by default.
var sets = func() map[string]time.Duration {
	named := map[string]time.Duration{}
	for _, n := range (settings.Settings{MaxDelivery: 3600}).Deliveries() {
		named["todoku-"+strconv.Itoa(n)] = time.Duration(n) * time.Second
	}
	return named
}()

func mailSets() string {
	var list []string
	for name, d := range sets {
		list = append(list, name+"="+strconv.Itoa(int(d/time.Second)))
	}
	return strings.Join(list, ",")
}

func (c *Cloud) makeTable(ctx context.Context, name string) error {
	client := peers.DynamoClient(c.cfg.Dynamo)
	if _, err := client.CreateTable(ctx, dynamo.Schema(name)); err != nil {
		return err
	}
	c.IDs = id.NewSource(c.cfg.Now, rand.Reader)
	c.Table = dynamo.New(client, name, c.cfg.Now, c.IDs)
	return nil
}

// makeFront makes SES and the way to all services.
func (c *Cloud) makeFront() (err error) {
	ses := c.cfg.SES
	ses.Emit, ses.Sets = c.tell, sets
	c.SES = sesfake.New(ses)
	var h http.Handler = c.SES
	if c.cfg.Before != nil {
		h = c.cfg.Before(h)
	}
	keys, err := config.FormatKeys([]link.Key{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}})
	if err != nil {
		return err
	}
	secrets := map[string]string{"keys": string(keys), openIDSecret: c.cfg.OpenID.Secret}
	c.front, err = newFront(c.cfg.Dynamo, c.cfg.SQS, h, secrets)
	return err
}

func (c *Cloud) visibility(queue string) time.Duration {
	if v, ok := c.cfg.Visibility[queue]; ok {
		return v
	}
	return plan.Visibility(queue)
}

func (c *Cloud) makeQueues(ctx context.Context, name string) error {
	for _, q := range plan.Queues {
		if n, ok := c.cfg.Receives[q.Name]; ok {
			q.MaxReceives = n
		}
		url, dead, err := createQueue(ctx, c.client, name+"-"+q.Name, q, c.visibility(q.Name))
		if err != nil {
			return err
		}
		l := &line{endpoint: c.cfg.SQS, now: c.cfg.Now, held: map[string]time.Duration{}}
		l.Client, l.QueueURL, l.Log = c.client, url, c.cfg.Log
		c.lines[q.Name] = l
		c.dead[q.Name] = dead
		c.env[config.Dead] += q.Name + "=" + dead + " "
	}
	c.env[config.Events], c.env[config.Mails] = c.lines[plan.Events].QueueURL, c.lines[plan.Mails].QueueURL
	c.env[config.Jobs], c.env[config.Copies] = c.lines[plan.Jobs].QueueURL, c.lines[plan.Copies].QueueURL
	return nil
}

// makeFunctions makes the functions that the programs are there of. aws is where
// they find AWS.
func (c *Cloud) makeFunctions(aws string) {
	for _, f := range plan.Functions {
		program := filepath.Join(c.cfg.Programs, f.Name, "bootstrap")
		if _, err := os.Stat(program); err != nil {
			continue
		}
		env := []string{
			"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=drill", "AWS_SECRET_ACCESS_KEY=drill",
			"AWS_ENDPOINT_URL=" + aws, "TODOKU_DRILL_CLOCK=" + c.cfg.Clock,
		}
		for _, v := range config.Needs(f.Name) {
			env = append(env, string(v)+"="+c.env[v])
		}
		env = append(env, c.cfg.Env...) // the last one counts
		c.configs[f.Name] = runtimeapi.Config{
			Name: f.Name, Program: program, Env: env, Concurrency: c.concurrency(f), Timeout: f.Timeout, Log: c.log,
		}
		c.Functions[f.Name] = runtimeapi.New(c.configs[f.Name])
	}
}

// Function returns how a function is set up.
func (c *Cloud) Function(name string) runtimeapi.Config { return c.configs[name] }

// concurrency is how many instances of a function may run at once.
func (c *Cloud) concurrency(f plan.Function) int {
	n := 10
	if t, ok := f.Trigger.(plan.FromQueue); ok {
		n = t.Concurrency
	}
	if c.cfg.Most > 0 {
		n = min(n, c.cfg.Most)
	}
	return n
}

// consume starts the functions' queues.
func (c *Cloud) consume() {
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	for _, f := range plan.Functions {
		t, ok := f.Trigger.(plan.FromQueue)
		if !ok || c.Functions[f.Name] == nil {
			continue
		}
		l := c.lines[t.Queue]
		l.function, l.Timeout, l.Concurrency = c.Functions[f.Name], f.Timeout, c.concurrency(f)
		if c.cfg.Windows {
			l.Window, l.Batch = t.Window, t.Batch
		}
		c.running.Go(func() {
			if err := l.Run(ctx, l.handle); err != nil {
				c.cfg.Log.Error("a queue has no consumer", "err", err)
			}
		})
	}
}

// Receive has SES receive a mail for InboundDomain.
func (c *Cloud) Receive(m sesfake.Incoming) {
	m.ID, m.At = c.IDs.New(), c.cfg.Now()
	c.publish(plan.Mails, sesfake.Received(m))
}

// tell sends an event of SES to the queue of events.
func (c *Cloud) tell(event []byte) { c.publish(plan.Events, event) }

// publish sends what SES publishes to a queue, as SNS does.
func (c *Cloud) publish(queue string, event []byte) {
	body := sesfake.Notification(event, "arn:aws:sns:us-east-1:000000000000:ses", c.IDs.New(), c.cfg.Now())
	_, err := c.client.SendMessage(context.Background(), &sqs.SendMessageInput{
		QueueUrl: aws.String(c.lines[queue].QueueURL), MessageBody: aws.String(string(body)),
	})
	if err != nil {
		c.cfg.Log.Error("an event of SES was lost", "err", err)
	}
}

func (c *Cloud) serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.listen(l, h)
	return "http://" + l.Addr().String(), nil
}

func (c *Cloud) listen(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	c.servers = append(c.servers, s)
	c.running.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.cfg.Log.Error("a server ended", "err", err)
		}
	})
}

// Tick runs the function of the clock once. With a clock that is moved it first lets
// come what is due by it.
func (c *Cloud) Tick(ctx context.Context) error {
	if c.cfg.Clock != "" {
		if err := c.pass(ctx); err != nil {
			return err
		}
	}
	_, err := c.Functions["tick"].Invoke(ctx, events.CloudWatchEvent{Time: c.cfg.Now()})
	return err
}

// pass lets time pass for SES and in the queues, whose server only knows the real one.
func (c *Cloud) pass(ctx context.Context) error {
	c.SES.Pass()
	for _, l := range c.lines {
		if err := l.release(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Waiting returns how many messages are handled or could be now, those that SES
// has still to send included, and how many are hidden until a time.
//
// It takes its time: the queues' server writes out all that they hold, and should
// rather do its work.
func (c *Cloud) Waiting(ctx context.Context) (now, later int, err error) {
	const pause = 30 * time.Millisecond
	time.Sleep(pause)
	// In the order in which one leads to the other: what has left a queue before it was
	// looked at is seen in the next.
	for _, name := range []string{plan.Mails, plan.Jobs, plan.Copies, plan.Events} {
		if name == plan.Events {
			now += c.SES.Untold()
		}
		n, hidden, err := c.lines[name].waiting(ctx)
		if err != nil {
			return 0, 0, err
		}
		now, later = now+n, later+hidden
	}
	return now, later, nil
}

// Close ends everything but the servers that are shared. What handlers do is cut
// off.
func (c *Cloud) Close() {
	if c.SES != nil {
		c.SES.Close()
	}
	if c.stop != nil {
		c.stop()
	}
	for _, f := range c.Functions {
		f.Close()
	}
	for _, s := range c.servers {
		_ = s.Close()
	}
	c.running.Wait()
}
