// Command keys does one step of replacing the key that signs links. It reads the
// secret on standard input and writes the new one on standard output, so that it
// stands between the two commands that fetch and store it (docs/operate.md):
//
//	keys add       make a new key, which is accepted and signs nothing yet
//	keys promote   let the new key sign
//	keys drop      forget the old key
//	keys list      print the ids of the keys, the one that signs first
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/link"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, rand.Reader); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: keys add|promote|drop|list, with the secret on standard input")

// maxSecret is the most that Secrets Manager keeps in a secret, in bytes.
const maxSecret = 64 << 10

// run does the step that args names.
func run(args []string, stdin io.Reader, stdout io.Writer, random io.Reader) error {
	if len(args) != 1 {
		return errUsage
	}
	secret, err := io.ReadAll(io.LimitReader(stdin, maxSecret))
	if err != nil {
		return err
	}
	keys, err := config.ParseKeys(secret)
	if err != nil {
		return err
	}
	if args[0] == "list" {
		return list(stdout, keys)
	}
	keys, err = step(args[0], keys, random)
	if err != nil {
		return err
	}
	secret, err = config.FormatKeys(keys)
	if err != nil {
		return err
	}
	_, err = stdout.Write(append(secret, '\n'))
	return err
}

func step(name string, keys []link.Key, random io.Reader) ([]link.Key, error) {
	switch name {
	case "add":
		return config.AddKey(keys, random)
	case "promote":
		return config.PromoteKey(keys)
	case "drop":
		return config.DropKeys(keys)
	}
	return nil, errUsage
}

func list(w io.Writer, keys []link.Key) error {
	for i, k := range keys {
		does := "accepted"
		if i == 0 {
			does = "signs"
		}
		if _, err := fmt.Fprintf(w, "%d\t%s\n", k.ID, does); err != nil {
			return err
		}
	}
	return nil
}
