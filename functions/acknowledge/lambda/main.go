// Command lambda is the function acknowledge on AWS: the answer pages of guardians.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("acknowledge", wire.Acknowledge) }
