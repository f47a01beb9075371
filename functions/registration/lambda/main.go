// Command lambda is the function registration on AWS: the pages on which guardians register.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("registration", wire.Registration) }
