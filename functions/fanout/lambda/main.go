// Command lambda is the function fanout on AWS: the jobs of alerts.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("fanout", wire.Fanout) }
