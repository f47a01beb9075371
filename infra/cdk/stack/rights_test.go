package stack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// TestRights compares what each role may do with testdata/rights.golden, a file to
// be read: whoever widens a role changes a line there, by hand.
func TestRights(t *testing.T) {
	want, err := os.ReadFile("testdata/rights.golden")
	must(t, err)
	if d := cmp.Diff(string(want), rights(t, made(t, "least"))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// rights returns, a line each, the function, the action and the resource.
func rights(t *testing.T, tmpl template) string {
	t.Helper()
	var lines []string
	for _, f := range plan.Functions {
		id := title(f.Name) + "Role"
		if f.Name == "inbound" {
			continue // is off
		}
		for _, s := range statements(tmpl.one(t, "AWS::IAM::Role", id)) {
			for _, action := range list(s["Action"]) {
				for _, r := range list(s["Resource"]) {
					lines = append(lines, fmt.Sprintf("%-13s%-43s%s\n", f.Name, action, target(r)))
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// statements returns the statements of a role's policies.
func statements(r resource) []object {
	var all []object
	for _, p := range list(r.Properties["Policies"]) {
		for _, s := range list(p.(object)["PolicyDocument"].(object)["Statement"]) {
			all = append(all, s.(object))
		}
	}
	return all
}

// list returns what CloudFormation writes as one thing or several.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

// target names a resource as people do: by its logical id without the hash, or as
// an ARN with such names in it.
func target(r any) string {
	o, ok := r.(object)
	if !ok {
		return fmt.Sprint(r)
	}
	if ref, ok := o["Ref"].(string); ok {
		return plain(ref)
	}
	if att, ok := o["Fn::GetAtt"].([]any); ok {
		return plain(att[0].(string))
	}
	var arn strings.Builder
	for _, part := range o["Fn::Join"].([]any)[1].([]any) {
		if text, ok := part.(string); ok {
			arn.WriteString(text)
			continue
		}
		arn.WriteString("{" + target(part) + "}")
	}
	return arn.String()
}

// plain cuts the CDK's hash of eight digits off a logical id.
func plain(id string) string {
	id = strings.TrimPrefix(id, "AWS::")
	if n := len(id) - 8; n > 0 && strings.Trim(id[n:], "0123456789ABCDEF") == "" {
		return id[:n]
	}
	return id
}

// ofNoResource are the statements whose actions have no resource.
var ofNoResource = strings.NewReplacer(
	`{"Action":"ses:GetAccount","Effect":"Allow","Resource":"*"}`, "",
	`{"Action":["ses:DeleteSuppressedDestination","ses:GetAccount","ses:ListSuppressedDestinations"],"Effect":"Allow","Resource":"*"}`, "",
)

// TestRolesAreWhole finds rights that come from elsewhere than the role itself,
// and wildcards.
func TestRolesAreWhole(t *testing.T) {
	for _, which := range []string{"least", "whole"} {
		tmpl := made(t, which)
		for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"} {
			if n := len(tmpl.of(kind)); n > 0 {
				t.Errorf("%s: %d resources %s", which, n, kind)
			}
		}
		for id, r := range tmpl.of("AWS::IAM::Role") {
			if r.Properties["ManagedPolicyArns"] != nil {
				t.Errorf("%s: %s has managed policies", which, id)
			}
			text, err := json.Marshal(r.Properties["Policies"])
			must(t, err)
			if strings.Contains(ofNoResource.Replace(string(text)), "*") {
				t.Errorf("%s: %s has a wildcard: %s", which, id, text)
			}
		}
	}
}

// TestOthersAskInTurn checks who else may use queues, topics and functions: only
// services of this account, for a named source, and nobody without TLS.
func TestOthersAskInTurn(t *testing.T) {
	tmpl := made(t, "whole")
	for _, kind := range []string{"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"} {
		for id, r := range tmpl.of(kind) {
			safe := false
			for _, s := range list(r.Properties["PolicyDocument"].(object)["Statement"]) {
				switch s := s.(object); s["Effect"] {
				case "Deny":
					safe = safe || fmt.Sprint(s["Condition"]) == "map[Bool:map[aws:SecureTransport:false]]"
				default:
					if s["Condition"] == nil || s["Principal"] == "*" {
						t.Errorf("%s lets anybody in: %v", id, s)
					}
				}
			}
			if !safe {
				t.Errorf("%s lets requests without TLS in", id)
			}
		}
	}
	for id, r := range tmpl.of("AWS::Lambda::Permission") {
		if r.Properties["SourceArn"] == nil {
			t.Errorf("%s does not say who may call", id)
		}
	}
}
