package cloud

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
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
	counts map[string]int // by service and action
}

// newFront returns a front of a DynamoDB and an SQS elsewhere.
func newFront(dynamo, sqs string, ses http.Handler, keys []link.Key) (*front, error) {
	secret, err := config.FormatKeys(keys)
	if err != nil {
		return nil, err
	}
	f := &front{counts: map[string]int{}, services: map[string]http.Handler{"": ses, "secretsmanager": secretServer(secret)}}
	for prefix, address := range map[string]string{"DynamoDB_20120810": dynamo, "AmazonSQS": sqs} {
		u, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		p := httputil.NewSingleHostReverseProxy(u)
		p.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
		p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // to a function that was killed
		f.services[prefix] = p
	}
	return f, nil
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

// secretServer answers GetSecretValue, whatever secret is asked for.
func secretServer(secret []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": "keys", "SecretString": string(secret)})
	}
}
