// Command lambda is the function feedback on AWS: what SES reports of mails.
package main

import "github.com/todoku/todoku/functions/wire"

func main() { wire.Start("feedback", wire.Feedback) }
