package stack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/table/dynamo"
)

// object is a part of a template.
type object = map[string]any

// TestProperties says what a resource must have; others of its properties are
// free.
func TestProperties(t *testing.T) {
	tests := []struct {
		which, kind, name string
		want              object
	}{
		{"least", "AWS::DynamoDB::Table", "", object{
			"KeySchema":                        []any{object{"AttributeName": dynamo.PartitionAttribute, "KeyType": "HASH"}, object{"AttributeName": dynamo.SortAttribute, "KeyType": "RANGE"}},
			"AttributeDefinitions":             []any{object{"AttributeName": dynamo.PartitionAttribute, "AttributeType": "S"}, object{"AttributeName": dynamo.SortAttribute, "AttributeType": "S"}},
			"TimeToLiveSpecification":          object{"AttributeName": dynamo.ExpiryAttribute, "Enabled": true},
			"BillingMode":                      "PAY_PER_REQUEST",
			"PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true},
			"SSESpecification":                 object{"SSEEnabled": true},
			"DeletionProtectionEnabled":        true,
		}},
		{"least", "AWS::SecretsManager::Secret", "", object{
			"GenerateSecretString": object{"SecretStringTemplate": `{"ID":1}`, "GenerateStringKey": "Secret", "PasswordLength": 44.0, "ExcludePunctuation": true},
		}},
		{"least", "AWS::SQS::Queue", "Jobs", fifo(720)},
		{"least", "AWS::SQS::Queue", "Copies", fifo(180)},
		{"least", "AWS::SQS::Queue", "CopiesDead", object{"FifoQueue": true, "SqsManagedSseEnabled": true, "MessageRetentionPeriod": 1209600.0}},
		{"least", "AWS::SQS::Queue", "Events", object{"VisibilityTimeout": 182.0, "SqsManagedSseEnabled": true}},
		{"least", "AWS::Lambda::EventSourceMapping", "CopiesSource", object{
			"BatchSize": 10.0, "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "ScalingConfig": object{"MaximumConcurrency": 64.0},
		}},
		{"least", "AWS::Lambda::EventSourceMapping", "EventsSource", object{"BatchSize": 40.0, "MaximumBatchingWindowInSeconds": 2.0}},
		{"least", "AWS::SES::ConfigurationSet", "ConfigurationSet", object{
			"DeliveryOptions":    object{"MaxDeliverySeconds": 3600.0, "TlsPolicy": "OPTIONAL"},
			"ReputationOptions":  object{"ReputationMetricsEnabled": true},
			"SuppressionOptions": object{"SuppressedReasons": []any{"COMPLAINT"}},
		}},
		{"least", "AWS::SES::ConfigurationSet", "ConfigurationSet5", object{
			"DeliveryOptions":    object{"MaxDeliverySeconds": 300.0, "TlsPolicy": "OPTIONAL"},
			"SuppressionOptions": object{"SuppressedReasons": []any{"COMPLAINT"}},
		}},
		{"whole", "AWS::SES::ConfigurationSet", "ConfigurationSet", object{"DeliveryOptions": object{"MaxDeliverySeconds": 1800.0}}},
		{"least", "AWS::SES::ConfigurationSetEventDestination", "MailEventsDestination", object{"EventDestination": object{
			"Enabled":            true,
			"MatchingEventTypes": []any{"reject", "bounce", "complaint", "delivery", "deliveryDelay", "renderingFailure"},
		}}},
		{"least", "AWS::SES::EmailIdentity", "", object{
			"EmailIdentity":         "school.example.jp",
			"DkimAttributes":        object{"SigningEnabled": true},
			"DkimSigningAttributes": object{"NextSigningKeyLength": "RSA_2048_BIT"},
			"MailFromAttributes":    object{"MailFromDomain": "bounce.school.example.jp", "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
			"FeedbackAttributes":    object{"EmailForwardingEnabled": false},
		}},
		{"least", "AWS::Events::Rule", "", object{"ScheduleExpression": "rate(1 minute)", "State": "ENABLED"}},
		{"least", "AWS::Lambda::EventInvokeConfig", "", object{"MaximumRetryAttempts": 0.0, "MaximumEventAgeInSeconds": 60.0}},
		{"least", "AWS::ApiGatewayV2::Api", "", object{"DisableExecuteApiEndpoint": false, "ProtocolType": "HTTP"}},
		{"whole", "AWS::ApiGatewayV2::Api", "", object{"DisableExecuteApiEndpoint": true}},
		{"whole", "AWS::ApiGatewayV2::DomainName", "", object{"DomainName": "anzen.ed.example.jp"}},
		{"whole", "AWS::CertificateManager::Certificate", "", object{"DomainName": "anzen.ed.example.jp", "ValidationMethod": "DNS"}},
		{"whole", "AWS::SES::ReceiptRule", "", object{"Rule": object{"Recipients": []any{"in.minami.ed.example.jp"}, "ScanEnabled": true}}},
		{"whole", "AWS::SQS::Queue", "Mails", object{"VisibilityTimeout": 180.0}},
		{"whole", "AWS::SNS::Subscription", "AlarmMail", object{"Protocol": "email", "Endpoint": "johoka@ed.example.jp"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join([]string{tt.which, tt.kind, tt.name}, " "), func(t *testing.T) {
			got := made(t, tt.which).one(t, tt.kind, tt.name)
			if d := within(tt.want, got.Properties); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// fifo is a queue in high-throughput mode that hides messages for so many seconds.
func fifo(visibility float64) object {
	return object{
		"FifoQueue": true, "ContentBasedDeduplication": false,
		"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
		"VisibilityTimeout": visibility, "SqsManagedSseEnabled": true,
		"RedrivePolicy": object{"maxReceiveCount": 1000.0},
	}
}

// TestKept finds data that would go with the stack.
func TestKept(t *testing.T) {
	tmpl := made(t, "least")
	for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"} {
		for id, r := range tmpl.of(kind) {
			if r.DeletionPolicy != "Retain" {
				t.Errorf("%s is deleted with the stack", id)
			}
		}
	}
}

// TestMailSets finds a configuration set whose events nobody hears.
func TestMailSets(t *testing.T) {
	for _, which := range []string{"least", "whole"} {
		tmpl := made(t, which)
		heard := map[string]bool{}
		for _, r := range tmpl.of("AWS::SES::ConfigurationSetEventDestination") {
			heard[fmt.Sprint(r.Properties["ConfigurationSetName"])] = true
		}
		publishes := fmt.Sprint(tmpl.of("AWS::SNS::TopicPolicy"))
		sets := tmpl.of("AWS::SES::ConfigurationSet")
		for id := range sets {
			if !heard[fmt.Sprint(object{"Ref": id})] || !strings.Contains(publishes, fmt.Sprint(object{"Ref": id})) {
				t.Errorf("%s: the events of %s go nowhere", which, id)
			}
		}
		if want := map[string]int{"least": 5, "whole": 4}[which]; len(sets) != want {
			t.Errorf("%s: %d sets, want %d", which, len(sets), want)
		}
	}
}

// TestSwitchedOff finds what nobody asked for.
func TestSwitchedOff(t *testing.T) {
	tmpl := made(t, "least")
	for _, kind := range []string{
		"AWS::SES::ReceiptRule", "AWS::SES::ReceiptRuleSet", "AWS::Route53::RecordSet", "AWS::ApiGatewayV2::DomainName",
		"AWS::CertificateManager::Certificate", "AWS::CloudFormation::CustomResource",
	} {
		if n := len(tmpl.of(kind)); n > 0 {
			t.Errorf("%d resources %s", n, kind)
		}
	}
}

func TestFunctions(t *testing.T) {
	tmpl := made(t, "whole")
	for _, f := range plan.Functions {
		t.Run(f.Name, func(t *testing.T) {
			got := tmpl.one(t, "AWS::Lambda::Function", title(f.Name)).Properties
			want := object{
				"Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": []any{"arm64"},
				"MemorySize": float64(f.Memory), "Timeout": f.Timeout.Seconds(),
			}
			if d := within(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			checkEnvironment(t, f.Name, got)
			log := tmpl.one(t, "AWS::Logs::LogGroup", title(f.Name)+"Log").Properties
			if log["RetentionInDays"] != 90.0 {
				t.Errorf("the log is kept for %v days", log["RetentionInDays"])
			}
		})
	}
}

// checkEnvironment checks that a function gets exactly the variables that it reads.
func checkEnvironment(t *testing.T, function string, properties object) {
	t.Helper()
	want := map[config.Var]bool{}
	for _, v := range config.Needs(function) {
		want[v] = true
	}
	got := map[config.Var]bool{}
	for name := range only(object{"Environment": object{"Variables": nil}}, properties).(object)["Environment"].(object)["Variables"].(object) {
		got[config.Var(name)] = true
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("variables: -want +got:\n%s", d)
	}
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// TestValues checks the values that the operator's context gives.
func TestValues(t *testing.T) {
	env := made(t, "whole").one(t, "AWS::Lambda::Function", "Console").Properties["Environment"].(object)["Variables"]
	want := object{
		"TODOKU_BASE_URL": "https://anzen.ed.example.jp", "TODOKU_TABLE": "Restored-1",
		"TODOKU_NAME": "見本市教育委員会", "TODOKU_PHONE": "03-0000-0000", "TODOKU_LANES": "",
	}
	if d := within(want, env); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestOpenID: the operator's provider reaches the console's function and no other, with
// the right to read that one secret and with a way out to the provider.
func TestOpenID(t *testing.T) {
	tmpl := made(t, "whole")
	console := tmpl.one(t, "AWS::Lambda::Function", "Console").Properties
	want := object{"Environment": object{"Variables": object{
		"TODOKU_OPENID_ISSUER": whole["openidIssuer"], "TODOKU_OPENID_CLIENT": whole["openidClient"], "TODOKU_OPENID_SECRET": whole["openidSecretArn"],
	}}}
	if d := within(want, console); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if v, ok := console["VpcConfig"]; ok {
		t.Errorf("the function is in a network of its own, without a way out: %v", v)
	}
	var may []string
	for line := range strings.Lines(rights(t, tmpl)) {
		if strings.Contains(line, whole["openidSecretArn"].(string)) {
			may = append(may, strings.Join(strings.Fields(line), " "))
		}
	}
	if d := cmp.Diff([]string{"console secretsmanager:GetSecretValue " + whole["openidSecretArn"].(string)}, may); d != "" {
		t.Errorf("rights: -want +got:\n%s", d)
	}
}

// TestAccessLog finds in the log's format what would tell addresses or tokens.
func TestAccessLog(t *testing.T) {
	format := fmt.Sprint(made(t, "least").one(t, "AWS::ApiGatewayV2::Stage", "Stage").Properties["AccessLogSettings"])
	for _, secret := range []string{
		"path", "sourceIp", "userAgent", "domainName", "identity", "authorizer", "header", "querystring", "integrationErrorMessage", "error",
	} {
		if strings.Contains(strings.ToLower(format), strings.ToLower(secret)) {
			t.Errorf("the access log holds %s: %s", secret, format)
		}
	}
	if !strings.Contains(format, "$context.routeKey") {
		t.Errorf("the access log does not say which route: %s", format)
	}
}

// TestRoutesAreLimited finds routes that may take what all others need.
func TestRoutesAreLimited(t *testing.T) {
	tmpl := made(t, "least")
	limits := tmpl.one(t, "AWS::ApiGatewayV2::Stage", "Stage").Properties["RouteSettings"].(object)
	routes := tmpl.of("AWS::ApiGatewayV2::Route")
	if len(routes) == 0 {
		t.Error("there are no routes")
	}
	for _, r := range routes {
		key := r.Properties["RouteKey"].(string)
		limit, _ := limits[key].(object)
		rate, _ := limit["ThrottlingRateLimit"].(float64)
		burst, _ := limit["ThrottlingBurstLimit"].(float64)
		if rate <= 0 || burst < rate {
			t.Errorf("route %s is limited to %v a second, %v at once", key, rate, burst)
		}
	}
	if len(limits) != len(routes) {
		t.Errorf("%d limits for %d routes", len(limits), len(routes))
	}
}

// TestOutputs checks what the operator is told after a deploy: with a hosted zone
// the records are made, without it they are to be added.
func TestOutputs(t *testing.T) {
	records := []string{"Dkim1", "Dkim2", "Dkim3", "MailFromMx", "MailFromSpf", "Dmarc"}
	tests := []struct {
		which, domain string
		outputs, made int
	}{
		{"least", "SchoolExampleJp", len(records), 0},
		{"whole", "MinamiEdExampleJp", 0, len(records)},
		{"whole", "KitaExampleCom", len(records), 0},
	}
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			tmpl := made(t, tt.which)
			outputs, recordSets := 0, 0
			for _, r := range records {
				if _, ok := tmpl.outputs["Dns"+tt.domain+r]; ok {
					outputs++
				}
				if tmpl.resources["Dns"+tt.domain+r].Type == "AWS::Route53::RecordSet" {
					recordSets++
				}
			}
			if outputs != tt.outputs || recordSets != tt.made {
				t.Errorf("%d outputs and %d records, want %d and %d", outputs, recordSets, tt.outputs, tt.made)
			}
		})
	}
	for _, id := range []string{"Web", "TableName", "KeysSecret", "NextStep"} {
		if _, ok := made(t, "least").outputs[id]; !ok {
			t.Errorf("no output %s", id)
		}
	}
}

// TestUnchanged makes the stack twice, from programs in different folders: what
// `cdk diff` compares must be the same, or every deploy would change something.
func TestUnchanged(t *testing.T) {
	first, second := made(t, "least").file, synth(t, least).file
	for _, name := range []string{"Todoku.template.json", "Todoku.assets.json"} {
		a, err := os.ReadFile(filepath.Join(filepath.Dir(first), name))
		must(t, err)
		b, err := os.ReadFile(filepath.Join(filepath.Dir(second), name))
		must(t, err)
		if d := cmp.Diff(string(a), string(b)); d != "" {
			t.Errorf("%s: -first +second:\n%s", name, d)
		}
	}
}
