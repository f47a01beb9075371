package config_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/lane"
)

// whole is an environment with every variable.
func whole() map[string]string {
	return map[string]string{
		"TODOKU_TABLE":         "todoku",
		"TODOKU_JOBS_URL":      "https://sqs.ap-northeast-1.amazonaws.com/1/jobs.fifo",
		"TODOKU_COPIES_URL":    "https://sqs.ap-northeast-1.amazonaws.com/1/copies.fifo",
		"TODOKU_KEYS_SECRET":   "arn:aws:secretsmanager:ap-northeast-1:1:secret:keys",
		"TODOKU_MAIL_SETS":     "mails=3600,short=300",
		"TODOKU_BASE_URL":      "https://anzen.example.jp",
		"TODOKU_LEASE_SECONDS": "360",
		"TODOKU_LANES":         `{"lanes":[{"name":"docomo","slots":3}]}`,
		"TODOKU_NAME":          "見本市教育委員会",
		"TODOKU_PHONE":         "03-0000-0000",
	}
}

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestLoad(t *testing.T) {
	tests := []struct {
		function string
		want     config.Config
	}{
		{"feedback", config.Config{Table: "todoku"}},
		{"acknowledge", config.Config{
			Table: "todoku", KeysSecret: whole()["TODOKU_KEYS_SECRET"], BaseURL: "https://anzen.example.jp",
			Name: "見本市教育委員会", Phone: "03-0000-0000",
		}},
		{"dispatch", config.Config{
			Table: "todoku", CopiesURL: whole()["TODOKU_COPIES_URL"], KeysSecret: whole()["TODOKU_KEYS_SECRET"],
			MailSets: map[string]time.Duration{"mails": time.Hour, "short": 5 * time.Minute}, BaseURL: "https://anzen.example.jp", Lease: 6 * time.Minute,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.function, func(t *testing.T) {
			got, err := config.Load(tt.function, getenv(whole()))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.EquateComparable(), cmpopts.IgnoreFields(config.Config{}, "Lanes")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestLoadLanes(t *testing.T) {
	shipped, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, lanes string
		want        int // slots of docomo
	}{
		{"the operator's", `{"lanes":[{"name":"docomo","slots":3}]}`, 3},
		{"as shipped", "", shipped.Named("docomo").Slots},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := whole()
			env["TODOKU_LANES"] = tt.lanes
			got, err := config.Load("fanout", getenv(env))
			if err != nil {
				t.Fatal(err)
			}
			if n := got.Lanes.Named("docomo").Slots; n != tt.want {
				t.Errorf("docomo has %d slots, want %d", n, tt.want)
			}
		})
	}
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, function string
		env            map[string]string // over whole()
		want           []string          // each a line of the error
	}{
		{"nothing set", "tick", map[string]string{"TODOKU_TABLE": "", "TODOKU_JOBS_URL": "", "TODOKU_COPIES_URL": " "}, []string{
			"config: TODOKU_TABLE is not set",
			"config: TODOKU_JOBS_URL is not set",
			"config: TODOKU_COPIES_URL is not set",
			"config: TODOKU_EVENTS_URL is not set",
			"config: TODOKU_DEAD_URLS is not set",
		}},
		{"no address", "fanout", map[string]string{"TODOKU_JOBS_URL": "jobs.fifo"}, []string{
			"config: TODOKU_JOBS_URL is not an address such as https://example.jp",
		}},
		{"slash", "acknowledge", map[string]string{"TODOKU_BASE_URL": "https://anzen.example.jp/"}, []string{
			"config: TODOKU_BASE_URL ends in a slash",
		}},
		{"lease is words", "dispatch", map[string]string{"TODOKU_LEASE_SECONDS": "6m"}, []string{
			"config: TODOKU_LEASE_SECONDS is not a number of seconds from 1 to 43200",
		}},
		{"lease too long", "dispatch", map[string]string{"TODOKU_LEASE_SECONDS": "43201"}, []string{
			"config: TODOKU_LEASE_SECONDS is not a number of seconds from 1 to 43200",
		}},
		{"a set without its seconds", "dispatch", map[string]string{"TODOKU_MAIL_SETS": "mails=3600,short"}, []string{
			"config: TODOKU_MAIL_SETS is not a list such as hour=3600,short=300",
		}},
		{"lanes too long", "fanout", map[string]string{"TODOKU_LANES": strings.Repeat("x", 2501)}, []string{
			"config: TODOKU_LANES has 2501 bytes, at most 2500 are possible",
		}},
		{"two mailboxes of one lane", "console", map[string]string{"TODOKU_PROOF_MAILBOXES": "a@docomo.ne.jp,b@docomo.ne.jp"}, []string{
			"config: TODOKU_PROOF_MAILBOXES is not a list of mailboxes: invalid: two mailboxes are at the same operator, docomo. Give one for each.",
		}},
		{"a mailbox without its domain", "console", map[string]string{"TODOKU_PROOF_MAILBOXES": "secret@"}, []string{
			"config: TODOKU_PROOF_MAILBOXES is not a list of mailboxes: invalid: There is nothing after the @ sign. Enter the part that follows it too, such as docomo.ne.jp or gmail.com.",
		}},
		{"unknown function", "fanuot", nil, []string{`config: no function "fanuot"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := whole()
			maps.Copy(env, tt.env)
			_, err := config.Load(tt.function, getenv(env))
			if err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestLoadRefusesFaultyLanes(t *testing.T) {
	env := whole()
	env["TODOKU_LANES"] = `{"lanes":[{"name":"docomo","slots":-1}]}`
	_, err := config.Load("fanout", getenv(env))
	if err == nil || !strings.HasPrefix(err.Error(), "config: TODOKU_LANES is not a lanes file: ") {
		t.Errorf("error is %v", err)
	}
}

// TestLoadMailboxes has the lanes read before the mailboxes, wherever a function lists them.
func TestLoadMailboxes(t *testing.T) {
	for name, vars := range map[string][]config.Var{
		"lanes before":  {config.Lanes, config.Mailboxes},
		"lanes between": {config.Mailboxes, config.Lanes, config.Table},
		"lanes last":    {config.Mailboxes, config.Table, config.Lanes},
	} {
		t.Run(name, func(t *testing.T) {
			config.SetNeeds(t, "made up", vars)
			env := whole()
			env["TODOKU_PROOF_MAILBOXES"] = "proof@docomo.ne.jp"
			got, err := config.Load("made up", getenv(env))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Mailboxes) != 1 {
				t.Errorf("mailboxes are %v", got.Mailboxes)
			}
		})
	}
}

func TestNeedsIsACopy(t *testing.T) {
	config.Needs("tick")[0] = "CHANGED"
	if got := config.Needs("tick")[0]; got != config.Table {
		t.Errorf("a caller changed the needs of all: %s", got)
	}
}
