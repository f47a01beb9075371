// Command lambda is the function dispatch on AWS: the sending of copies.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("dispatch", wire.Dispatch) }
