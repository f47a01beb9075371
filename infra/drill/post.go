package drill

import (
	"bytes"

	"github.com/emersion/go-smtp"

	"github.com/todoku/todoku/shared/mail/incoming"
)

// post hands a mail in by SMTP, as the server of its sender does.
func post(addr string, raw []byte, e incoming.Envelope) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the mail is taken, or not, by now
	if err := c.SendMail(e.From, e.To, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.Quit()
}
