// Command lambda is the function inbound on AWS: mail that guardians send.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("inbound", wire.Inbound) }
