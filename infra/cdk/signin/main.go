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
	"strings"
	"time"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table/dynamo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(os.Stderr, "signin:", problem.Say(err))
		}
		stop()
		os.Exit(1)
	}
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
	f := found.Founder{Table: dynamo.Open(aws, name, time.Now, ids), IDs: ids, Now: time.Now, Random: rand.Reader}
	link, err := f.Link(ctx, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, link)
	return err
}

// parse reads the flags.
func parse(args []string, table *string, stderr io.Writer) (found.Request, error) {
	var r found.Request
	f := flag.NewFlagSet("signin", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(table, "table", "", "the stack's output TableName")
	f.StringVar(&r.URL, "url", "", "the stack's output Web")
	f.StringVar(&r.School.Name, "school", "", "name of the school")
	f.StringVar(&r.School.Mail, "from", "", "address that its alerts come from; of a new school")
	f.StringVar(&r.School.Phone, "phone", "", "its phone number; of a new school")
	f.StringVar(&r.School.Zone, "zone", "Asia/Tokyo", "its time zone; of a new school")
	f.StringVar(&r.School.District, "district", "", "its district, if it belongs to one; of a new school")
	f.StringVar(&r.Person.Name, "manager", "", "name of the manager; of a new one")
	office := f.Bool("for-district", false, "for somebody who looks after all schools of the school's district, not for a manager")
	f.StringVar(&r.Person.Mail, "manager-mail", "", "mail address of the manager")
	if err := f.Parse(args); err != nil {
		return r, err
	}
	if f.NArg() > 0 {
		return r, fmt.Errorf("what is %q? See signin -h", f.Arg(0))
	}
	if *table == "" {
		return r, errors.New("-table is missing: give the stack's output TableName")
	}
	if !strings.HasPrefix(r.URL, "https://") {
		return r, fmt.Errorf("-url %q is not an https address: give the stack's output Web", r.URL)
	}
	if *office {
		r.Person.Role = staff.District
	}
	return r, nil
}
