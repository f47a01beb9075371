package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// front is the one address at which the functions find all of AWS. It passes
// requests on to the server of each service, and counts them.
type front struct {
	services map[string]http.Handler // by the prefix of X-Amz-Target

	away atomic.Bool // DynamoDB does not answer

	mu     sync.Mutex
	counts map[string]int     // by service and action
	units  map[string]float64 // of DynamoDB, by action

	refused, met Refusals // by DynamoDB; those because of another transaction
}

// newFront returns a front of a DynamoDB and an SQS elsewhere.
func newFront(dynamo, sqs string, ses http.Handler, secrets map[string]string) (*front, error) {
	f := &front{counts: map[string]int{}, units: map[string]float64{}, services: map[string]http.Handler{"": ses, "secretsmanager": secretServer(secrets)}}
	for prefix, address := range map[string]string{dynamoTarget: dynamo, "AmazonSQS": sqs} {
		u, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		p := httputil.NewSingleHostReverseProxy(u)
		p.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
		p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // to a function that was killed
		f.services[prefix] = p
		if prefix == dynamoTarget {
			p.ModifyResponse = f.readUnits
			f.services[prefix] = askUnits(newConflicts(p, func(r *http.Request) { f.refuse(r, &f.met) }))
		}
	}
	return f, nil
}

// dynamoTarget is how X-Amz-Target names DynamoDB.
const dynamoTarget = "DynamoDB_20120810"

// askUnits has DynamoDB say with each answer how many capacity units it took.
func askUnits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), asked{}, unitsAsked(body)))
		body = bytes.Replace(body, []byte("{"), []byte(`{"ReturnConsumedCapacity":"TOTAL",`), 1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// asked is the context's key of the write units that a request asks for.
type asked struct{}

// unitsAsked returns about how many write units the request's writes take: one
// for each started kilobyte, and two in a transaction. It is what DynamoDB charges
// for a write whose condition does not hold as well, and for a cancelled transaction.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
func unitsAsked(body []byte) float64 {
	var request struct {
		TransactItems []json.RawMessage
		Item          json.RawMessage
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return 0
	}
	kilobytes := func(item []byte) float64 { return math.Ceil(float64(len(item)) / 1024) }
	if len(request.TransactItems) == 0 {
		return kilobytes(request.Item)
	}
	var n float64
	for _, item := range request.TransactItems {
		n += 2 * kilobytes(item)
	}
	return n
}

// refusals are DynamoDB's names of a write that was refused and is charged.
var refusals = regexp.MustCompile(`#(ConditionalCheckFailed|TransactionCanceled)Exception"`)

var unitsPattern = regexp.MustCompile(`"ConsumedCapacity":.*?"CapacityUnits":([0-9.]+)`)

// readUnits adds up what DynamoDB says; of a refused write it says nothing, and what
// was asked for counts.
func (f *front) readUnits(res *http.Response) error {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	_, action, _ := strings.Cut(res.Request.Header.Get("X-Amz-Target"), ".")
	if res.StatusCode == http.StatusBadRequest && refusals.Match(body) {
		f.refuse(res.Request, &f.refused)
		return nil
	}
	at := bytes.LastIndex(body, []byte(`"ConsumedCapacity":`))
	if at < 0 {
		return nil
	}
	found := unitsPattern.FindSubmatch(body[at:])
	if found == nil {
		return fmt.Errorf("cloud: capacity not understood")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.units[action] += n
	return err
}

// Refusals are writes that were refused, and the write units that they are charged with.
type Refusals struct {
	Writes int
	Units  float64
}

// refuse counts a write that was refused.
func (f *front) refuse(r *http.Request, as *Refusals) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	units, _ := r.Context().Value(asked{}).(float64)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.units[action] += units
	as.Writes++
	as.Units += units
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if service == dynamoTarget && f.away.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h, ok := f.services[service]
	if !ok {
		http.Error(w, "no such service", http.StatusNotFound)
		return
	}
	if service == "" {
		service, action = "SES", r.Method+" "+r.URL.Path
	}
	f.mu.Lock()
	f.counts[service+"."+action]++
	f.mu.Unlock()
	h.ServeHTTP(w, r)
}

// Requests returns how many requests each action has had, by service and action.
func (c *Cloud) Requests() map[string]int {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	return maps.Clone(c.front.counts)
}

// Away has DynamoDB not answer, or answer again.
func (c *Cloud) Away(away bool) { c.front.away.Store(away) }

// Refused returns what DynamoDB has refused because of a condition, and because another
// transaction had the same item at that moment. The units are among those of Units.
func (c *Cloud) Refused() (conditions, conflicts Refusals) {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	return c.front.refused, c.front.met
}

// Units returns how many read and write units DynamoDB has charged.
func (c *Cloud) Units() (read, write float64) {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	for action, n := range c.front.units {
		if action == "GetItem" || action == "Query" {
			read += n
		} else {
			write += n
		}
	}
	return read, write
}

// secretServer answers GetSecretValue for the secrets, by name or ARN.
func secretServer(secrets map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			SecretID string `json:"SecretId"`
		}
		err := json.NewDecoder(r.Body).Decode(&asked)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		value, ok := secrets[asked.SecretID]
		if err != nil || !ok {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "ResourceNotFoundException"})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": asked.SecretID, "SecretString": value})
	}
}
