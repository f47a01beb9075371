// Command cdk is the CDK app of Todoku. cdk.json has the CDK run it, after the
// build of the functions; docs/operate.md says what an operator does.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/cdk/settings"
	"github.com/todoku/todoku/infra/cdk/stack"
	"github.com/todoku/todoku/shared/problem"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	if err := compose(app, "."); err != nil {
		say(os.Stderr, err)
		jsii.Close()
		os.Exit(1)
	}
	app.Synth(nil)
}

// say tells every problem in both languages.
func say(w io.Writer, err error) {
	var wrong problem.List
	if !errors.As(err, &wrong) {
		_, _ = fmt.Fprintln(w, err)
		return
	}
	for _, p := range wrong {
		_, _ = fmt.Fprintln(w, p.Text.JA+"\n"+p.Text.EN)
	}
}

// compose adds the stack that the app's context asks for, with the programs of the
// source tree at root.
func compose(app awscdk.App, root string) error {
	if err := misspelled(app); err != nil {
		return err
	}
	s, err := settings.Read(settings.Source{
		Context:  func(key string) any { return app.Node().TryGetContext(jsii.String(key)) },
		ReadFile: os.ReadFile,
	})
	if err != nil {
		return err
	}
	functions := plan.Present(root)
	programs := filepath.Join(root, "build")
	for _, f := range functions {
		if _, err := os.Stat(filepath.Join(programs, f.Name, "bootstrap")); err != nil {
			return fmt.Errorf("the program of %s is not built: start with cdk, or first run: go run ./infra/cdk/build", f.Name)
		}
	}
	made := stack.New(app, stack.Props{Settings: s, Functions: functions, Programs: programs})
	warnOfAbsent(made, functions)
	return nil
}

// misspelled refuses keys that are nearly one of ours, which would be ignored
// without a word.
func misspelled(app awscdk.App) error {
	context, _ := app.Node().GetAllContext(nil).(map[string]any)
	var wrong problem.List
	for is, meant := range settings.Misspelled(context) {
		wrong = append(wrong, problem.New(problem.Invalid,
			"設定「%[1]s」という名前はありません。「%[2]s」と書いてください。", "There is no setting %[1]s. Write %[2]s.", is, meant).In(is))
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// warnOfAbsent says which functions this source tree has no program of: what
// they do, the deployment does not.
func warnOfAbsent(made awscdk.Stack, present []plan.Function) {
	var absent []string
	for _, f := range plan.Functions {
		if !slices.ContainsFunc(present, func(p plan.Function) bool { return p.Name == f.Name }) {
			absent = append(absent, f.Name)
		}
	}
	if len(absent) == 0 {
		return
	}
	awscdk.Annotations_Of(made).AddWarningV2(jsii.String("todoku:absent"),
		jsii.String("This version has no program of these functions, and the stack is made without them: "+strings.Join(absent, ", ")))
}
