package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/staff"
)

// invoke runs one function on an event from a file, and prints its answer.
func (p *program) invoke(ctx context.Context, args []string) error {
	f, data := p.flags("invoke", "invoke [-data DIR] fanout|dispatch|tick FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		f.Usage()
		return errors.New("invoke needs a function and the file of an event")
	}
	event, err := os.ReadFile(f.Arg(1))
	if err != nil {
		return err
	}
	return p.withMachine(*data, func(m *machine.Machine) error {
		answer, err := call(ctx, m, f.Arg(0), event)
		if err != nil {
			return err
		}
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		return out.Encode(answer)
	})
}

func call(ctx context.Context, m *machine.Machine, function string, event []byte) (any, error) {
	if function == "tick" {
		var e events.CloudWatchEvent
		if err := strict(event, &e); err != nil {
			return nil, err
		}
		return struct{}{}, m.Tick(ctx)
	}
	var e events.SQSEvent
	if err := strict(event, &e); err != nil {
		return nil, err
	}
	return m.Invoke(ctx, function, e)
}

// strict decodes an event and refuses what its type does not have.
func strict(event []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(event))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the file does not hold such an event: %w", err)
	}
	return nil
}

// withMachine opens a machine on a free port, calls f and closes it.
func (p *program) withMachine(data string, f func(m *machine.Machine) error) error {
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data, Log: p.log(true)})
	if err != nil {
		return err
	}
	return errors.Join(f(m), m.Close())
}

// backup copies the database of a folder, whether Todoku runs on it or not.
func (p *program) backup(ctx context.Context, args []string) error {
	f, data := p.flags("backup", "backup [-data DIR] FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("backup needs the name of the file to write")
	}
	return machine.NewOperator(*data).Backup(ctx, f.Arg(0))
}

// restore puts a copy of the database back.
func (p *program) restore(args []string) error {
	f, data := p.flags("restore", "restore [-data DIR] FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("restore needs the file of a backup")
	}
	return machine.NewOperator(*data).Restore(f.Arg(0))
}

// dead lists dead letters, or puts them back into their queue.
func (p *program) dead(ctx context.Context, args []string) error {
	f, data := p.flags("dead", "dead [-data DIR] [-redrive] jobs|copies|mails")
	redrive := f.Bool("redrive", false, "put all of them back into the queue")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("dead needs the name of a queue: jobs or copies")
	}
	o := machine.NewOperator(*data)
	if !*redrive {
		return p.listDead(ctx, o, f.Arg(0))
	}
	n, err := o.Redrive(ctx, f.Arg(0))
	if err == nil {
		_, _ = fmt.Fprintf(p.stdout, "%d put back\n", n)
	}
	return err
}

func (p *program) listDead(ctx context.Context, o *machine.Operator, queue string) error {
	for after := ""; ; {
		letters, err := o.Dead(ctx, queue, after)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			_, _ = fmt.Fprintf(p.stdout, "%s\t%s\t%d receives\t%s\t%s\n", l.Died.UTC().Format(time.RFC3339), l.Message.ID, l.Receives, l.Message.Group, l.Reason)
			after = l.Handle
		}
	}
}

// verifyAudit reads the whole audit log and says whether it is whole.
func (p *program) verifyAudit(ctx context.Context, args []string) error {
	f, data := p.flags("verify-audit", "verify-audit [-data DIR]")
	if err := f.Parse(args); err != nil {
		return err
	}
	reports, err := machine.NewOperator(*data).VerifyAudit(ctx)
	if err != nil {
		return err
	}
	faults := 0
	for _, r := range reports {
		_, _ = fmt.Fprintf(p.stdout, "school %s: %d entries, %d days sealed", r.School, r.Entries, r.Days)
		if r.Last.Day != "" {
			_, _ = fmt.Fprintf(p.stdout, ", the last %s: %s", r.Last.Day, r.Last.Hash)
		}
		_, _ = fmt.Fprintln(p.stdout)
		for _, f := range r.Faults {
			_, _ = fmt.Fprintln(p.stdout, "  "+f.String())
		}
		faults += len(r.Faults)
	}
	if faults > 0 {
		return fmt.Errorf("the audit log is not whole: %d faults", faults)
	}
	return nil
}

// signIn prints a one-time sign-in link for a manager, or for somebody who looks after
// the district's schools. It makes the school and the person if they are not there.
func (p *program) signIn(ctx context.Context, args []string) error {
	f, data := p.flags("sign-in", "sign-in [-data DIR] -school NAME -manager-mail ADDRESS")
	var r found.Request
	f.StringVar(&r.School.Name, "school", "", "name of the school")
	f.StringVar(&r.School.Mail, "from", "", "mail address that its alerts come from; of a new school")
	f.StringVar(&r.School.Phone, "phone", "", "its phone number; of a new school")
	f.StringVar(&r.School.Zone, "zone", "Asia/Tokyo", "its time zone; of a new school")
	f.StringVar(&r.School.District, "district", "", "its district, if it belongs to one; of a new school")
	f.StringVar(&r.Person.Name, "manager", "", "name of the person; of a new one")
	f.StringVar(&r.Person.Mail, "manager-mail", "", "mail address of the person")
	office := f.Bool("for-district", false, "for somebody who looks after all schools of the school's district, not for a manager")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("what is %q? See local sign-in -h", f.Arg(0))
	}
	if *office {
		r.Person.Role = staff.District
	}
	link, err := machine.NewOperator(*data).SignIn(ctx, r)
	if err == nil {
		_, err = fmt.Fprintf(p.stdout, "sign-in: %s\n", link)
	}
	return err
}
