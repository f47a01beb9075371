// Package config is the contract between the functions and whoever starts them:
// the environment variables that each function needs, and what they mean. The
// stack sets exactly these, and the functions read exactly these.
//
// A function checks its configuration once, when it starts, and says all that is
// wrong with it by the variables' names. Values are never part of an error.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/proof"
)

// Var is the name of an environment variable.
type Var string

// The variables. Every one that a function needs must be set, except those of optional.
const (
	Table         Var = "TODOKU_TABLE"            // name of the DynamoDB table
	Jobs          Var = "TODOKU_JOBS_URL"         // https address of the queue from console and tick to fanout
	Copies        Var = "TODOKU_COPIES_URL"       // https address of the queue from fanout and tick to dispatch
	Events        Var = "TODOKU_EVENTS_URL"       // https address of the queue from SES to feedback
	Mails         Var = "TODOKU_MAILS_URL"        // https address of the queue from SES to inbound; empty: there is none
	Dead          Var = "TODOKU_DEAD_URLS"        // name=address of the queues of dead letters, with spaces between
	Keys          Var = "TODOKU_KEYS_SECRET"      // ARN of the secret with the keys that sign links; see ParseKeys
	MailSets      Var = "TODOKU_MAIL_SETS"        // SES configuration sets: name=seconds after which it gives a mail up, with commas
	BaseURL       Var = "TODOKU_BASE_URL"         // where the pages are seen from outside, without a slash at the end
	Lease         Var = "TODOKU_LEASE_SECONDS"    // how long dispatch may hold a copy: at least its own timeout
	Lanes         Var = "TODOKU_LANES"            // the operator's lanes file, its text; empty: as shipped
	InboundDomain Var = "TODOKU_INBOUND_DOMAIN"   // domain of the addresses to which guardians send an empty mail; empty: none is taken
	Proof         Var = "TODOKU_PROOF_SECONDS"    // how often to prove that an alert is answered; empty: never
	Mailboxes     Var = "TODOKU_PROOF_MAILBOXES"  // mailboxes at mail operators that answer proofs, one at each, with commas; empty: none
	DeadMan       Var = "TODOKU_DEAD_MAN_URL"     // address to call after each proof; empty: none
	OpenIDIssuer  Var = "TODOKU_OPENID_ISSUER"    // https address of the OpenID provider with which staff can sign in as well; empty: none
	OpenIDClient  Var = "TODOKU_OPENID_CLIENT"    // id that the provider gave this site; empty without an issuer
	OpenIDSecret  Var = "TODOKU_OPENID_SECRET"    //nolint:gosec // ARN of the secret with the client's secret, as plain text; empty: it has none
	KeepAlerts    Var = "TODOKU_KEEP_ALERTS_DAYS" // for how long alerts are kept, see package keep; empty: as long as it says
	Name          Var = "TODOKU_NAME"             // who answers for the system, on the last-resort error page
	Phone         Var = "TODOKU_PHONE"            // whom to call then
)

// MaxLanes is how many bytes Lanes may have: all variables of a Lambda function
// together have 4 KiB
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const MaxLanes = 2500

// needs says which variables each function reads.
var needs = map[string][]Var{
	"console":      {Table, KeepAlerts, Jobs, Keys, MailSets, BaseURL, InboundDomain, Lanes, OpenIDIssuer, OpenIDClient, OpenIDSecret, Proof, Mailboxes, Name, Phone},
	"registration": {Table, KeepAlerts, Keys, MailSets, BaseURL, Lanes, Name, Phone},
	"acknowledge":  {Table, KeepAlerts, Keys, BaseURL, Name, Phone},
	"fanout":       {Table, KeepAlerts, Jobs, Copies, Lanes},
	"dispatch":     {Table, KeepAlerts, Copies, Keys, MailSets, BaseURL, InboundDomain, Lease, Lanes},
	"feedback":     {Table, KeepAlerts, Lanes},
	"inbound":      {Table, KeepAlerts, Copies, Keys, MailSets, BaseURL, InboundDomain, Lanes},
	"tick":         {Table, KeepAlerts, Jobs, Copies, Lanes, MailSets, BaseURL, InboundDomain, Keys, Proof, Mailboxes, DeadMan, Events, Mails, Dead},
}

// Needs returns the variables that a function reads, in a fixed order; none for a
// function that is not known.
func Needs(function string) []Var { return slices.Clone(needs[function]) }

// Config is what a function's environment says. Fields of variables that the
// function does not need are zero.
type Config struct {
	Table         string
	JobsURL       string
	CopiesURL     string
	EventsURL     string
	MailsURL      string
	Dead          map[string]string // addresses of the queues of dead letters, by the names of their queues
	KeysSecret    string
	MailSets      map[string]time.Duration // by name, after how long each gives a mail up
	BaseURL       string
	Lease         time.Duration
	Lanes         *lane.Lanes
	InboundDomain string
	Proof         time.Duration
	Mailboxes     []proof.Mailbox
	DeadMan       string
	OpenIDIssuer  string
	OpenIDClient  string
	OpenIDSecret  string
	KeepAlerts    time.Duration
	Name          string
	Phone         string
}

// Load reads what the function needs with getenv (os.Getenv). It fails with one
// error for every variable that is missing or does not hold what it should.
func Load(function string, getenv func(string) string) (Config, error) {
	vars, ok := needs[function]
	if !ok {
		return Config{}, fmt.Errorf("config: no function %q", function)
	}
	var c Config
	var errs []error
	for _, v := range lanesFirst(vars) {
		if err := c.set(v, strings.TrimSpace(getenv(string(v)))); err != nil {
			errs = append(errs, fmt.Errorf("config: %s %w", v, err))
		}
	}
	if (c.OpenIDIssuer == "") != (c.OpenIDClient == "") {
		errs = append(errs, fmt.Errorf("config: %s and %s go together", OpenIDIssuer, OpenIDClient))
	}
	return c, errors.Join(errs...)
}

// lanesFirst returns the variables with that of the lanes, if it is one, before those
// that are read by it.
func lanesFirst(vars []Var) []Var {
	rest := slices.DeleteFunc(slices.Clone(vars), func(v Var) bool { return v == Lanes })
	if len(rest) == len(vars) {
		return rest
	}
	return slices.Insert(rest, 0, Lanes)
}

var errMissing = errors.New("is not set")

// optional are the variables that may be empty.
var optional = []Var{Lanes, InboundDomain, OpenIDIssuer, OpenIDClient, OpenIDSecret, Proof, Mailboxes, DeadMan, KeepAlerts, Mails}

// set reads one variable.
func (c *Config) set(v Var, value string) (err error) {
	if value == "" && !slices.Contains(optional, v) {
		return errMissing
	}
	switch v {
	case OpenIDIssuer:
		if value != "" {
			c.OpenIDIssuer, err = issuer(value)
		}
	case Jobs:
		c.JobsURL, err = address(value)
	case Copies:
		c.CopiesURL, err = address(value)
	case Events:
		c.EventsURL, err = address(value)
	case Mails:
		if value != "" {
			c.MailsURL, err = address(value)
		}
	case Dead:
		c.Dead, err = named(value)
	case BaseURL:
		c.BaseURL, err = address(value)
	case Lease:
		c.Lease, err = seconds(value, longestLease)
	case MailSets:
		c.MailSets, err = mailSets(value)
	case Proof:
		if value != "" {
			c.Proof, err = seconds(value, longestLease)
		}
	case Mailboxes:
		c.Mailboxes, err = mailboxes(value, c.Lanes)
	case KeepAlerts:
		if value != "" {
			c.KeepAlerts, err = days(value)
		}
	case Lanes:
		c.Lanes, err = lanes(value)
	default:
		*c.text(v) = value
	}
	return err
}

// text returns the field of a variable that may hold any text.
func (c *Config) text(v Var) *string {
	return map[Var]*string{
		Table: &c.Table, Keys: &c.KeysSecret, InboundDomain: &c.InboundDomain, DeadMan: &c.DeadMan,
		OpenIDClient: &c.OpenIDClient, OpenIDSecret: &c.OpenIDSecret, Name: &c.Name, Phone: &c.Phone,
	}[v]
}

// address checks an absolute web address. http is for servers that play AWS in
// tests; the stack gives https.
func address(value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("is not an address such as https://example.jp")
	}
	if strings.HasSuffix(value, "/") {
		return "", errors.New("ends in a slash")
	}
	return value, nil
}

// named reads addresses with names.
func named(value string) (map[string]string, error) {
	all := map[string]string{}
	for _, one := range strings.Fields(value) {
		name, url, _ := strings.Cut(one, "=")
		if _, err := address(url); err != nil {
			return nil, err
		}
		all[name] = url
	}
	return all, nil
}

// issuer checks an address that may end in a slash: it is compared letter by letter with
// what the provider calls itself.
func issuer(value string) (string, error) {
	_, err := address(strings.TrimSuffix(value, "/"))
	return value, err
}

// longestLease is the longest time for which SQS hides a message.
const longestLease = 12 * time.Hour

func seconds(value string, most time.Duration) (time.Duration, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > int(most/time.Second) {
		return 0, fmt.Errorf("is not a number of seconds from 1 to %d", int(most/time.Second))
	}
	return time.Duration(n) * time.Second, nil
}

// longestTry is for how long SES tries a mail at most
// (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_DeliveryOptions.html).
const longestTry = 14 * time.Hour

func mailSets(value string) (map[string]time.Duration, error) {
	sets := map[string]time.Duration{}
	for part := range strings.SplitSeq(value, ",") {
		name, within, _ := strings.Cut(part, "=")
		d, err := seconds(within, longestTry)
		if err != nil || name == "" {
			return nil, errors.New("is not a list such as hour=3600,short=300")
		}
		sets[name] = d
	}
	return sets, nil
}

func days(value string) (time.Duration, error) {
	const most = 100 * 366
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("is not a number of days from 1 to %d", most)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// mailboxes reads mailboxes at the operators of the lanes, nil if those could not be read.
func mailboxes(value string, lanes *lane.Lanes) ([]proof.Mailbox, error) {
	if value == "" || lanes == nil {
		return nil, nil
	}
	boxes, err := proof.ParseMailboxes(value, lanes)
	if err != nil {
		return nil, fmt.Errorf("is not a list of mailboxes: %w", err)
	}
	return boxes, nil
}

func lanes(value string) (*lane.Lanes, error) {
	if value == "" {
		return lane.Load(nil)
	}
	if len(value) > MaxLanes {
		return nil, fmt.Errorf("has %d bytes, at most %d are possible", len(value), MaxLanes)
	}
	l, err := lane.Load(strings.NewReader(value))
	if err != nil {
		return nil, fmt.Errorf("is not a lanes file: %w", err)
	}
	return l, nil
}
