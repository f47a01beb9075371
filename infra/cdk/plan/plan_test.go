package plan_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/config"
)

// variable says which variable a function must read in order to do something.
var variable = map[plan.Use]config.Var{
	plan.ReadTable: config.Table, plan.QueryTable: config.Table, plan.WriteTable: config.Table,
	plan.SendJobs: config.Jobs, plan.PostponeJobs: config.Jobs,
	plan.SendCopies: config.Copies, plan.PostponeCopies: config.Copies, plan.SettleCopies: config.Copies,
	plan.SendMail: config.MailSets, plan.ReadAccount: config.MailSets, plan.ClearSilenced: config.MailSets,
	plan.ReadIdentities: config.MailSets, plan.ReadMailSet: config.MailSets, plan.ReadSilenced: config.MailSets,
	plan.CountCopies: config.Copies, plan.TakeDead: config.Dead, plan.ReturnDead: config.Events,
	plan.ReadKeys: config.Keys, plan.ReadOpenID: config.OpenIDSecret,
}

// TestUsesAgreeWithVariables finds a right without the variable that says on what,
// and a variable without the right to use it.
func TestUsesAgreeWithVariables(t *testing.T) {
	named := map[config.Var]bool{}
	for _, v := range variable {
		named[v] = true
	}
	for _, f := range plan.Functions {
		t.Run(f.Name, func(t *testing.T) {
			want := map[config.Var]bool{}
			for _, u := range f.Uses {
				want[variable[u]] = true
			}
			got := map[config.Var]bool{}
			for _, v := range config.Needs(f.Name) {
				if named[v] {
					got[v] = true
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-uses +variables:\n%s", d)
			}
		})
	}
}

func TestActions(t *testing.T) {
	all := [][]string{plan.ConsumeActions, plan.LogActions}
	for _, f := range plan.Functions {
		for _, u := range f.Uses {
			if len(plan.Actions[u]) == 0 {
				t.Errorf("%s: no actions for %q", f.Name, u)
			}
		}
	}
	for _, actions := range plan.Actions {
		all = append(all, actions)
	}
	for _, actions := range all {
		for _, a := range actions {
			if strings.Contains(a, "*") {
				t.Errorf("action %s has a wildcard", a)
			}
		}
	}
}

func TestTimeouts(t *testing.T) {
	for _, f := range plan.Functions {
		switch trigger := f.Trigger.(type) {
		case plan.HTTP:
			if f.Timeout.Seconds() >= 30 {
				t.Errorf("%s: the HTTP API gives up before the function does", f.Name)
			}
		case plan.FromQueue:
			if v := plan.Visibility(trigger.Queue); v < 6*f.Timeout {
				t.Errorf("%s: queue %s hides messages for %v, less than six times %v", f.Name, trigger.Queue, v, f.Timeout)
			}
		case plan.EveryMinute:
			if f.Timeout.Seconds() >= 60 {
				t.Errorf("%s: may still run when the next one begins", f.Name)
			}
		}
	}
}

func TestEveryQueueHasAConsumer(t *testing.T) {
	for _, q := range plan.Queues {
		if plan.Visibility(q.Name) == 0 {
			t.Errorf("nobody takes messages from %s", q.Name)
		}
	}
}

// TestNoFunctionIsForgotten holds the table against the source tree.
func TestNoFunctionIsForgotten(t *testing.T) {
	programs, err := filepath.Glob("../../../functions/*/lambda")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		name := filepath.Base(filepath.Dir(p))
		if !slices.ContainsFunc(plan.Functions, func(f plan.Function) bool { return f.Name == name }) {
			t.Errorf("functions/%s has no entry in plan.Functions", name)
		}
	}
}

func TestPresent(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"functions/tick/lambda/main.go", "functions/console/console.go"} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range plan.Present(root) {
		got = append(got, f.Name)
	}
	if d := cmp.Diff([]string{"tick"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
