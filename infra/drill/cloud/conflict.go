package cloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/todoku/todoku/shared/table/dynamo"
)

// conflicts refuses writes of what another transaction is writing at the moment, as
// DynamoDB does and its stand-ins do not. An item whose condition a transaction checks
// counts as written.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
type conflicts struct {
	next   http.Handler
	refuse func(r *http.Request) // is told of each refusal

	mu      sync.Mutex
	written map[string]bool // items that a transaction has under way
}

func newConflicts(next http.Handler, refuse func(*http.Request)) *conflicts {
	return &conflicts{next: next, refuse: refuse, written: map[string]bool{}}
}

func (c *conflicts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if action == "GetItem" || action == "Query" {
		c.next.ServeHTTP(w, r)
		return
	}
	items, together := itemsOf(body)
	met := c.enter(items, together)
	if met != nil {
		c.refuse(r)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, conflict(met, together))
		return
	}
	if together {
		defer c.leave(items)
	}
	c.next.ServeHTTP(w, r)
}

// enter says which of the items another transaction has, nil: none. Those of a
// transaction it then has itself.
func (c *conflicts) enter(items []string, together bool) (met []bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := false
	met = make([]bool, len(items))
	for i, item := range items {
		met[i] = c.written[item]
		some = some || met[i]
	}
	if some {
		return met
	}
	for _, item := range items {
		if together {
			c.written[item] = true
		}
	}
	return nil
}

func (c *conflicts) leave(items []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, item := range items {
		delete(c.written, item)
	}
}

// conflict is what DynamoDB answers.
func conflict(met []bool, together bool) string {
	const kind = "com.amazonaws.dynamodb.v20120810#"
	if !together {
		return fmt.Sprintf(`{"__type":"%sTransactionConflictException"}`, kind)
	}
	reasons := make([]string, len(met))
	for i := range met {
		reasons[i] = `{"Code":"None"}`
		if met[i] {
			reasons[i] = `{"Code":"TransactionConflict"}`
		}
	}
	return fmt.Sprintf(`{"__type":"%sTransactionCanceledException","CancellationReasons":[%s]}`, kind, strings.Join(reasons, ","))
}

// itemsOf names the items that a write is about, and whether it is a transaction.
func itemsOf(body []byte) (items []string, together bool) {
	var in struct {
		write
		TransactItems []struct{ Put, Update, Delete, ConditionCheck write }
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, false // not understood by the server either
	}
	for _, op := range in.TransactItems {
		items = append(items, op.Put.name()+op.Update.name()+op.Delete.name()+op.ConditionCheck.name())
	}
	if len(items) > 0 {
		return items, true
	}
	return []string{in.name()}, false
}

// write is what one write says of its item.
type write struct {
	Item, Key map[string]map[string]any // the item, or its key
}

func (w write) name() string {
	of := w.Item
	if of == nil {
		of = w.Key
	}
	if of == nil {
		return ""
	}
	return fmt.Sprintf("%q %q", of[dynamo.PartitionAttribute]["S"], of[dynamo.SortAttribute]["S"])
}
