package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/todoku/todoku/infra/local/machine"
)

// export writes everything to a file, to be moved elsewhere.
func (p *program) export(ctx context.Context, args []string) error {
	f, data := p.flags("export", "export [-data DIR] FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("export needs the name of the file to write")
	}
	sum, err := machine.NewOperator(*data).Export(ctx, f.Arg(0))
	if err == nil {
		_, _ = fmt.Fprintln(p.stdout, sum)
	}
	return err
}

// importAll puts an exported file into an empty folder.
func (p *program) importAll(ctx context.Context, args []string) error {
	f, data := p.flags("import", "import [-data DIR] FILE")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return errors.New("import needs an exported file")
	}
	sum, err := machine.NewOperator(*data).Import(ctx, f.Arg(0))
	if err == nil {
		_, _ = fmt.Fprintln(p.stdout, sum)
	}
	return err
}
