// Command lambda is the function tick on AWS: what is due.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("tick", wire.Tick) }
