package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/queue"
	table "github.com/todoku/todoku/shared/table/bbolt"
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

// backup copies the database.
func (p *program) backup(ctx context.Context, args []string) error {
	f, data := p.flags("backup", "backup [-data DIR] FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("backup needs the name of the file to write")
	}
	return p.withMachine(*data, func(m *machine.Machine) error { return writeBackup(ctx, m, f.Arg(0)) })
}

// writeBackup never leaves a half file under the name, and never overwrites one.
func writeBackup(ctx context.Context, m *machine.Machine, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists: choose another name", name)
	}
	out, err := os.CreateTemp(filepath.Dir(name), ".todoku-backup-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	err = m.Backup(ctx, out)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), name)
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
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	return table.Restore(f.Arg(0), filepath.Join(*data, machine.FileName))
}

// dead lists dead letters, or puts them back into their queue.
func (p *program) dead(ctx context.Context, args []string) error {
	f, data := p.flags("dead", "dead [-data DIR] [-redrive] jobs|copies")
	redrive := f.Bool("redrive", false, "put all of them back into the queue")
	if err := f.Parse(args); err != nil {
		return err
	}
	return p.withMachine(*data, func(m *machine.Machine) error {
		queues := map[string]queue.DeadLetters{"jobs": m.Jobs, "copies": m.Copies}
		q, ok := queues[f.Arg(0)]
		if !ok || f.NArg() != 1 {
			f.Usage()
			return errors.New("dead needs the name of a queue: jobs or copies")
		}
		if *redrive {
			n, err := q.Redrive(ctx)
			_, _ = fmt.Fprintf(p.stdout, "%d put back\n", n)
			return err
		}
		return p.listDead(ctx, q)
	})
}

func (p *program) listDead(ctx context.Context, q queue.DeadLetters) error {
	const page = 100
	for after := ""; ; {
		letters, err := q.ListDead(ctx, after, page)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			_, _ = fmt.Fprintf(p.stdout, "%s\t%s\t%d receives\t%s\t%s\n", l.Died.UTC().Format("2006-01-02T15:04:05Z"), l.Message.ID, l.Receives, l.Message.Group, l.Reason)
			after = l.Handle
		}
	}
}
