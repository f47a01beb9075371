package cloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/link"
)

// front is the one address at which the functions find all of AWS. It passes
// requests on to the server of each service, and counts them.
type front struct {
	services map[string]http.Handler // by the prefix of X-Amz-Target

	mu     sync.Mutex
	counts map[string]int     // by service and action
	units  map[string]float64 // of DynamoDB, by action
}

// newFront returns a front of a DynamoDB and an SQS elsewhere.
func newFront(dynamo, sqs string, ses http.Handler, keys []link.Key) (*front, error) {
	secret, err := config.FormatKeys(keys)
	if err != nil {
		return nil, err
	}
	f := &front{counts: map[string]int{}, units: map[string]float64{}, services: map[string]http.Handler{"": ses, "secretsmanager": secretServer(secret)}}
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
			f.services[prefix] = askUnits(p)
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
		body = bytes.Replace(body, []byte("{"), []byte(`{"ReturnConsumedCapacity":"TOTAL",`), 1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	})
}

var unitsPattern = regexp.MustCompile(`"ConsumedCapacity":.*?"CapacityUnits":([0-9.]+)`)

// readUnits adds up what DynamoDB says. Of a request that failed it says nothing.
func (f *front) readUnits(res *http.Response) error {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	at := bytes.LastIndex(body, []byte(`"ConsumedCapacity":`))
	if at < 0 {
		return nil
	}
	found := unitsPattern.FindSubmatch(body[at:])
	if found == nil {
		return fmt.Errorf("cloud: capacity not understood")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	_, action, _ := strings.Cut(res.Request.Header.Get("X-Amz-Target"), ".")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.units[action] += n
	return err
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
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
	all := map[string]int{}
	for name, n := range c.front.counts {
		all[name] = n
	}
	return all
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

// secretServer answers GetSecretValue, whatever secret is asked for.
func secretServer(secret []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": "keys", "SecretString": string(secret)})
	}
}
