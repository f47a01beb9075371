// Command signin makes a one-time sign-in link for a manager of a school that runs
// on AWS. If the school or the manager is not there yet, it makes them: so begins a
// new deployment, and so a further school joins it.
//
// It writes to the deployment's table as the operator, with the credentials and the
// region that the AWS CLI would use; -table and -url are outputs of the stack.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/table/dynamo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(os.Stderr, "signin:", say(err))
		}
		stop()
		os.Exit(1)
	}
}

// say returns what to tell a person at a terminal.
func say(err error) string {
	var e *problem.Error
	if errors.As(err, &e) {
		return e.Text.JA + "\n" + e.Text.EN
	}
	return err.Error()
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var name string
	o, err := parse(args, &name, stderr)
	if err != nil {
		return err
	}
	aws, err := settings.Load(ctx)
	if err != nil {
		return err
	}
	ids := id.NewSource(time.Now, rand.Reader)
	f := founder{table: dynamo.Open(aws, name, time.Now, ids), ids: ids, now: time.Now, random: rand.Reader}
	link, err := f.link(ctx, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, link)
	return err
}

// parse reads the flags.
func parse(args []string, table *string, stderr io.Writer) (request, error) {
	var r request
	f := flag.NewFlagSet("signin", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(table, "table", "", "the stack's output TableName")
	f.StringVar(&r.url, "url", "", "the stack's output Web")
	f.StringVar(&r.school.Name, "school", "", "name of the school")
	f.StringVar(&r.school.Mail, "from", "", "address that its alerts come from; of a new school")
	f.StringVar(&r.school.Phone, "phone", "", "its phone number; of a new school")
	f.StringVar(&r.school.Zone, "zone", "Asia/Tokyo", "its time zone; of a new school")
	f.StringVar(&r.school.District, "district", "", "its district, if it belongs to one; of a new school")
	f.StringVar(&r.manager.Name, "manager", "", "name of the manager; of a new one")
	f.StringVar(&r.manager.Mail, "manager-mail", "", "mail address of the manager")
	if err := f.Parse(args); err != nil {
		return r, err
	}
	if f.NArg() > 0 {
		return r, fmt.Errorf("what is %q? See signin -h", f.Arg(0))
	}
	if *table == "" {
		return r, errors.New("-table is missing: give the stack's output TableName")
	}
	return r, nil
}
