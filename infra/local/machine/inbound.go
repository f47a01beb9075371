package machine

import (
	"context"
	"fmt"
	"net"

	"github.com/todoku/todoku/functions/inbound"
	"github.com/todoku/todoku/infra/local/smtpin"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
)

// openInbound opens the address for mail, if there is to be one.
func (m *Machine) openInbound() (err error) {
	if m.cfg.Inbound == "" {
		return nil
	}
	m.mails, err = net.Listen("tcp", m.cfg.Inbound)
	if err != nil {
		return fmt.Errorf("cannot take mail on %s: %w", m.cfg.Inbound, err)
	}
	return nil
}

// replies returns the domain that takes replies to alerts, "" if no mail is taken.
func (m *Machine) replies() string {
	if m.cfg.Inbound == "" {
		return ""
	}
	return m.cfg.InboundDomain
}

// InboundAddr returns where mail is taken, "" if it is not.
func (m *Machine) InboundAddr() string {
	if m.mails == nil {
		return ""
	}
	return m.mails.Addr().String()
}

func (m *Machine) wireInbound() {
	m.inbound = &inbound.Handler{
		Enrol:  m.Enrol,
		Poster: m.poster,
		Domain: m.cfg.InboundDomain,
		Alerts: m.Alerts,
		Links:  m.Links,
		Memos:  m.office(),
		Log:    m.cfg.Log,
	}
}

// takeMail serves SMTP until ctx ends.
func (m *Machine) takeMail(ctx context.Context) error {
	return smtpin.Serve(ctx, m.mails, smtpin.Config{
		Domain: m.cfg.InboundDomain, Resolver: m.cfg.Resolver, Log: m.cfg.Log,
		Known: func(local string) bool {
			_, ok := enrol.ParseCode(local)
			return ok || link.IsReply(local) || local == proof.Door
		},
		Take: m.queueMail,
	})
}

// queueMail keeps a mail in the queue of the inbound function, as SNS does.
func (m *Machine) queueMail(ctx context.Context, raw []byte, e incoming.Envelope) error {
	id := m.Alerts.IDs.New()
	body, err := inbound.Notification(raw, e, id, m.cfg.Now())
	if err != nil {
		return err
	}
	return m.Mails.Send(ctx, queue.Message{Group: id, ID: id, Body: body})
}

// asker asks the machine's resolver, if it has one.
func (m *Machine) asker() *mailhost.Asker {
	a := &mailhost.Asker{Now: m.cfg.Now}
	if m.cfg.Resolver != nil { // a nil one in an interface would not be nil
		a.Resolver = m.cfg.Resolver
	}
	return a
}
