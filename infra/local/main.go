// Command local is todoku as one machine needs it, without what speaks to AWS. With no
// command it runs:
//
//	go run ./infra/local -demo
//	go run ./infra/local doctor
//
// infra/todoku is the whole program, to be installed.
package main

import (
	"os"

	"github.com/todoku/todoku/infra/command"
)

func main() {
	os.Exit(command.Main(command.Program{Default: "run"}, os.Args[1:]))
}
