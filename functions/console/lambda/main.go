// Command lambda is the function console on AWS: the pages and the JSON API of staff.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("console", wire.Console) }
