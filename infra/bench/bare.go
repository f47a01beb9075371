package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/smtp"
	"github.com/todoku/todoku/shared/roster"
)

// bare is the loop that the program is compared with: it writes and signs the same
// mails, and sends them with the same pipelining client over as many connections,
// but knows the recipients beforehand and keeps no record of anything. What it
// reaches is the limit of the machine, or of the distance.
type bare struct {
	to     []recipient
	writer *letter.Writer
	links  *link.Signer
	school string
	until  time.Time
}

// origin is where the links lead, as where a school's own machine listens.
const origin = "http://127.0.0.1:8080"

// recipient is one copy and its mailbox.
type recipient struct {
	alert.CopyRef
	mailbox string
}

func newBare(n int) (*bare, error) {
	ids := newIDs()
	school := aSchool(ids)
	a := alert.Alert{
		ID: ids.New(), School: school.ID, Kind: alert.Safety, Subject: subject, Body: body,
		Sender: alert.Sender{Name: managerName, Mail: managerMail}, UsefulUntil: time.Now().Add(useful),
	}
	links, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	b := &bare{writer: letter.NewWriter(a, school, 0, false), links: links, school: school.ID, until: a.UsefulUntil}
	_, families := roster.Big(seed, n, ids)
	for f := range families {
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				ref := alert.Ref{Alert: a.ID, Class: f.Children[0].Class, Family: f.ID}
				b.to = append(b.to, recipient{alert.CopyRef{Ref: ref, Contact: c.ID}, c.Address})
			}
		}
	}
	return b, err
}

// send sends all mails through the relay. Each connection carries a block of as
// many mails as it takes before it must be opened anew, so no round trip is empty.
func (b *bare) send(ctx context.Context, relay string) error {
	cfg, err := smtp.ParseURL(relay)
	if err != nil {
		return err
	}
	r := smtp.New(cfg)
	blocks := make(chan []recipient, len(b.to)/blockSize+1)
	for to := b.to; len(to) > 0; to = to[min(blockSize, len(to)):] {
		blocks <- to[:min(blockSize, len(to))]
	}
	close(blocks)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range cfg.Conns {
		wg.Go(func() {
			for block := range blocks {
				b.sendBlock(ctx, r, block, &failed)
			}
		})
	}
	wg.Wait()
	err = r.Close()
	if first := failed.Load(); first != nil {
		err = errors.Join(*first, err)
	}
	return err
}

// blockSize is how many mails a connection carries: smtp.Config.MessagesPerConn.
const blockSize = 50

func (b *bare) sendBlock(ctx context.Context, r *smtp.Relay, to []recipient, failed *atomic.Pointer[error]) {
	msgs := make([]*mail.Message, len(to))
	for i := range to {
		m, err := b.letter(to[i])
		if err != nil {
			failed.Store(&err)
			return
		}
		msgs[i] = m
	}
	r.SendAll(ctx, msgs, func(_ int, err error) {
		if err != nil {
			failed.Store(&err)
		}
	})
}

func (b *bare) letter(to recipient) (*mail.Message, error) {
	token, err := b.links.Sign(link.Link{
		Kind: link.Answer, Alert: to.Alert, Class: to.Class, Family: to.Family, Contact: to.Contact, Expires: b.until,
	})
	if err != nil {
		return nil, err
	}
	m := b.writer.Letter(to.CopyRef, "", to.mailbox, origin+link.Answer.Path()+token, time.Now())
	if token, err = b.links.Sign(link.Link{
		Kind: link.Leave, Class: b.school, Family: to.Family, Contact: to.Contact, Expires: b.until,
	}); err != nil {
		return nil, err
	}
	m.Unsubscribe, m.OneClick = origin+link.Leave.Path()+token, true
	return m, nil
}
