package plan_test

import (
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// actionsOf are the IAM actions that a call of the SDK needs. A call that is not
// here fails the test: whoever adds one says what it needs.
var actionsOf = map[string][]string{
	"dynamodb.GetItem":                           {"dynamodb:GetItem"},
	"dynamodb.Query":                             {"dynamodb:Query"},
	"dynamodb.PutItem":                           {"dynamodb:PutItem"},
	"dynamodb.UpdateItem":                        {"dynamodb:UpdateItem"},
	"dynamodb.DeleteItem":                        {"dynamodb:DeleteItem"},
	"dynamodb.TransactWriteItems":                {"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
	"dynamodb.DescribeEndpoints":                 nil, // the SDK's endpoint discovery, which is off
	"sqs.SendMessageBatch":                       {"sqs:SendMessage"},
	"sqs.ChangeMessageVisibilityBatch":           {"sqs:ChangeMessageVisibility"},
	"sqs.GetQueueAttributes":                     {"sqs:GetQueueAttributes"},
	"sqs.ReceiveMessage":                         {"sqs:ReceiveMessage"},
	"sqs.DeleteMessage":                          {"sqs:DeleteMessage"},
	"sqs.DeleteMessageBatch":                     {"sqs:DeleteMessage"},
	"sesv2.SendEmail":                            {"ses:SendEmail", "ses:SendRawEmail"}, // see plan.Actions
	"sesv2.GetEmailIdentity":                     {"ses:GetEmailIdentity"},
	"sesv2.GetConfigurationSet":                  {"ses:GetConfigurationSet"},
	"sesv2.GetConfigurationSetEventDestinations": {"ses:GetConfigurationSetEventDestinations"},
	"sesv2.ListSuppressedDestinations":           {"ses:ListSuppressedDestinations"},
	"sesv2.GetAccount":                           {"ses:GetAccount"},
	"sesv2.DeleteSuppressedDestination":          {"ses:DeleteSuppressedDestination"},
	"secretsmanager.GetSecretValue":              {"secretsmanager:GetSecretValue"},
}

// credentials are the services by which the SDK could get credentials of other
// kinds than a function's role; Lambda has none of their files and variables.
var credentials = []string{"signin", "sso", "ssooidc", "sts"}

// TestRightsAreWhatTheCodeCalls holds what each role may do against the calls of
// the SDK that the linker has left in the function's program: a right too many
// fails as well as one too few.
func TestRightsAreWhatTheCodeCalls(t *testing.T) {
	dir := t.TempDir()
	overlay := withoutMethodsByName(t, dir)
	for _, f := range plan.Present("../../..") {
		t.Run(f.Name, func(t *testing.T) {
			needed, unknown := needs(calls(t, build(t, dir, overlay, f.Name)))
			if len(unknown) > 0 {
				t.Fatalf("actionsOf does not say what these calls need: %v", unknown)
			}
			if d := cmp.Diff(needed, granted(f)); d != "" {
				t.Errorf("-the code calls +the role may:\n%s", d)
			}
		})
	}
}

// TestNeeds is the test of the test.
func TestNeeds(t *testing.T) {
	got, unknown := needs([]string{"sqs.SendMessageBatch", "sts.AssumeRole", "dynamodb.Scan", "dynamodb.GetItem"})
	if d := cmp.Diff([]string{"dynamodb:GetItem", "sqs:SendMessage"}, got); d != "" || !slices.Equal(unknown, []string{"dynamodb.Scan"}) {
		t.Errorf("unknown %v, -want +got:\n%s", unknown, d)
	}
	for name, uses := range map[string][]plan.Use{"too many": {plan.ReadTable, plan.SendJobs, plan.SendMail}, "too few": {plan.ReadTable}} {
		if cmp.Equal(got, granted(plan.Function{Uses: uses})) {
			t.Errorf("%s rights are not noticed", name)
		}
	}
	if d := cmp.Diff(got, granted(plan.Function{Uses: []plan.Use{plan.SendJobs, plan.ReadTable, plan.SendCopies}})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// needs returns the actions that calls need, and the calls of which that is not
// known.
func needs(calls []string) (actions, unknown []string) {
	for _, c := range calls {
		service, _, _ := strings.Cut(c, ".")
		needed, known := actionsOf[c]
		if !known && !slices.Contains(credentials, service) {
			unknown = append(unknown, c)
		}
		actions = append(actions, needed...)
	}
	slices.Sort(actions)
	return slices.Compact(actions), unknown
}

// granted returns what a function's role may do, but for what Lambda does with it.
func granted(f plan.Function) []string {
	var actions []string
	for _, u := range f.Uses {
		actions = append(actions, plan.Actions[u]...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// withoutMethodsByName returns an overlay in which templates find no methods by
// their names. The linker keeps every exported method of a program that may ask for
// one by a name it cannot know; templates are the only ones that do, and no client
// of AWS is ever handed to a template.
func withoutMethodsByName(t *testing.T, dir string) (overlay string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "text", "template", "exec.go")
	text, err := os.ReadFile(source)
	must(t, err)
	const find = "ptr.MethodByName(fieldName)"
	if strings.Count(string(text), find) != 1 {
		t.Fatalf("%s does not look as expected", source)
	}
	replaced := filepath.Join(dir, "exec.go")
	must(t, os.WriteFile(replaced, []byte(strings.Replace(string(text), find, "(reflect.Value{})", 1)), 0o600))
	overlay = filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{source: replaced}})
	must(t, err)
	must(t, os.WriteFile(overlay, b, 0o600))
	return overlay
}

// build builds a function's program for this test alone.
func build(t *testing.T, dir, overlay, name string) (program string) {
	t.Helper()
	program = filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-overlay", overlay, "-tags", "lambda.norpc", "-o", program, "./functions/"+name+"/lambda")
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return program
}

var callPattern = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)\.\(\*Client\)\.([A-Z]\w+)$`)

// calls returns the calls of the SDK in a program, such as "dynamodb.GetItem".
func calls(t *testing.T, program string) []string {
	t.Helper()
	f, err := elf.Open(program)
	must(t, err)
	defer func() { _ = f.Close() }()
	lines, err := f.Section(".gopclntab").Data()
	must(t, err)
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, f.Section(".text").Addr))
	must(t, err)
	var found []string
	for _, fn := range table.Funcs {
		if m := callPattern.FindStringSubmatch(fn.Name); m != nil {
			found = append(found, m[1]+"."+m[2])
		}
	}
	if len(found) == 0 {
		t.Fatal("no calls of the SDK: has the table of functions changed?")
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
