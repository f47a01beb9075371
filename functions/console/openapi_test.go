package console

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schema is as much of JSON Schema as openapi.json uses.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Enum       []string          `json:"enum"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Additional *bool             `json:"additionalProperties"`
	Items      *schema           `json:"items"`
	OneOf      []schema          `json:"oneOf"`
}

type operation struct {
	OperationID string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Responses   map[string]json.RawMessage `json:"responses"`
}

type responseSpec struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

var spec = parseSpec()

type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas   map[string]schema       `json:"schemas"`
		Responses map[string]responseSpec `json:"responses"`
	} `json:"components"`
}

func parseSpec() (d document) {
	if err := json.Unmarshal(openAPI, &d); err != nil {
		panic(err)
	}
	return d
}

func TestEveryRouteIsDescribed(t *testing.T) {
	o := newOffice(t)
	served := map[string]bool{"get /openapi.json": true}
	for _, e := range o.server.endpoints() {
		served[strings.ToLower(e.method)+" "+e.path] = true
	}
	ids := map[string]bool{}
	for path, operations := range spec.Paths {
		for method, op := range operations {
			if !served[method+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
			delete(served, method+" "+path)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s %s has no summary, or no id of its own", method, path)
			}
			ids[op.OperationID] = true
		}
	}
	for route := range served {
		t.Errorf("%s is served and not described", route)
	}
}

func TestRefsLead(t *testing.T) {
	text := string(openAPI)
	for _, part := range strings.Split(text, `"$ref": "`)[1:] {
		ref, _, _ := strings.Cut(part, `"`)
		kind, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
		_, isSchema := spec.Components.Schemas[name]
		_, isResponse := spec.Components.Responses[name]
		if kind == "schemas" && !isSchema || kind == "responses" && !isResponse {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	o := newOffice(t)
	a := o.send("GET", apiPath+"/openapi.json", http.NoBody)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(a.body)) {
		t.Errorf("status %d, type %q", a.StatusCode, a.Header.Get("Content-Type"))
	}
}

// described fails the test if openapi.json does not describe an answer.
func described(t testing.TB, method, path string, a answer) {
	t.Helper()
	op, ok := findOperation(method, path)
	if !ok {
		return // an address that does not exist; its problem is checked where it is meant
	}
	r, err := responseOf(op, a.StatusCode)
	if err != nil {
		t.Errorf("%s %s: %v: %.200s", method, path, err, a.body)
		return
	}
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	content, ok := r.Content[media]
	if !ok {
		t.Errorf("%s %s: status %d with type %q is not described", method, path, a.StatusCode, media)
		return
	}
	if strings.HasSuffix(media, "json") {
		var v any
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		for _, fault := range content.Schema.faults(v, "") {
			t.Errorf("%s %s: status %d: %s", method, path, a.StatusCode, fault)
		}
	}
}

func responseOf(op operation, status int) (r responseSpec, err error) {
	raw, ok := op.Responses[strconv.Itoa(status)]
	if !ok {
		return r, fmt.Errorf("status %d is not described", status)
	}
	err = json.Unmarshal(raw, &r)
	if name, isRef := strings.CutPrefix(r.Ref, "#/components/responses/"); isRef {
		r = spec.Components.Responses[name]
	}
	return r, err
}

func findOperation(method, target string) (operation, bool) {
	u, err := url.Parse(target)
	if err != nil {
		return operation{}, false
	}
	for path, operations := range spec.Paths {
		if op, ok := operations[strings.ToLower(method)]; ok && matches(path, u.Path) {
			return op, true
		}
	}
	return operation{}, false
}

func matches(template, path string) bool {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(x, y string) bool { return x == y || strings.HasPrefix(x, "{") && y != "" })
}

// faults says where a value is not as the schema has it.
func (s schema) faults(v any, at string) []string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return spec.Components.Schemas[name].faults(v, at)
	}
	if len(s.OneOf) > 0 {
		if !slices.ContainsFunc(s.OneOf, func(o schema) bool { return len(o.faults(v, at)) == 0 }) {
			return []string{at + " is none of the possible"}
		}
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		return s.objectFaults(v, at)
	case []any:
		return s.arrayFaults(v, at)
	}
	return s.plainFaults(v, at)
}

func (s schema) objectFaults(v map[string]any, at string) (faults []string) {
	if s.Type != "object" {
		return []string{at + " is an object"}
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			faults = append(faults, at+"."+name+" is missing")
		}
	}
	for name, value := range v {
		if p, ok := s.Properties[name]; ok {
			faults = append(faults, p.faults(value, at+"."+name)...)
		} else if s.Additional != nil && !*s.Additional {
			faults = append(faults, at+"."+name+" is not described")
		}
	}
	return faults
}

func (s schema) arrayFaults(v []any, at string) (faults []string) {
	if s.Type != "array" {
		return []string{at + " is an array"}
	}
	for i, x := range v {
		faults = append(faults, s.Items.faults(x, fmt.Sprintf("%s[%d]", at, i))...)
	}
	return faults
}

func (s schema) plainFaults(v any, at string) []string {
	ok := false
	switch v := v.(type) {
	case nil:
		ok = s.Type == "null"
	case bool:
		ok = s.Type == "boolean"
	case float64:
		ok = s.Type == "integer" && v == math.Trunc(v)
	case string:
		_, err := time.Parse(time.RFC3339, v)
		ok = s.Type == "string" && (s.Enum == nil || slices.Contains(s.Enum, v)) && (s.Format != "date-time" || err == nil)
	}
	if !ok {
		return []string{fmt.Sprintf("%s is %v", at, v)}
	}
	return nil
}
