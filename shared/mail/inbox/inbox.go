// Package inbox is a mail.Sender that keeps the mail for people to look at: what
// the single machine sends to when it has no relay, and what acceptance tests
// read. A message goes through the same bytes as on its way to a relay, so the
// inbox shows what a receiver would get.
package inbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// DefaultLimit is how many of the newest messages an Inbox keeps. With a few
// kilobytes each it bounds the memory to some tens of megabytes.
const DefaultLimit = 5000

// Entry is one message in the inbox. Its JSON is part of the program's interface.
type Entry struct {
	mail.Received
	At time.Time `json:"at"` // when it was accepted, UTC
}

// Inbox keeps messages in memory; they end with the process. Any number of
// goroutines may use it.
type Inbox struct {
	limit int
	now   func() time.Time

	mu       sync.Mutex
	ring     []Entry // the newest limit entries, oldest at total%limit once it is full
	total    int
	fail     func(*mail.Message) error
	watchers map[int]func(Entry)
	watched  int // names the next watcher
}

// New returns an empty inbox that keeps the newest limit messages; 0 means
// DefaultLimit.
func New(limit int, now func() time.Time) *Inbox {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Inbox{limit: limit, now: now, watchers: make(map[int]func(Entry))}
}

// Send keeps m. Watchers have seen it when Send returns.
func (b *Inbox) Send(ctx context.Context, m *mail.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Expired(b.now()) {
		return mail.Unsendable(mail.ErrExpired)
	}
	raw, err := m.Bytes()
	if err != nil {
		return mail.Unsendable(err)
	}
	if err := b.failure(m); err != nil {
		return err
	}
	received, err := mail.Receive(raw)
	if err != nil {
		return mail.Unsendable(err)
	}
	b.keep(Entry{Received: received, At: b.now().UTC()})
	return nil
}

func (b *Inbox) failure(m *mail.Message) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(m)
}

func (b *Inbox) keep(e Entry) {
	b.mu.Lock()
	if len(b.ring) < b.limit {
		b.ring = append(b.ring, e)
	} else {
		b.ring[b.total%b.limit] = e
	}
	b.total++
	watchers := make([]func(Entry), 0, len(b.watchers))
	for _, w := range b.watchers {
		watchers = append(watchers, w)
	}
	b.mu.Unlock()
	for _, w := range watchers {
		w(e)
	}
}

// List returns what the inbox holds, newest first. The entries share their
// Headers with the inbox: do not change them.
func (b *Inbox) List() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Entry, 0, len(b.ring))
	if len(b.ring) == b.limit {
		oldest := b.total % b.limit
		list = append(append(list, b.ring[oldest:]...), b.ring[:oldest]...)
	} else {
		list = append(list, b.ring...)
	}
	slices.Reverse(list)
	return list
}

// Total returns how many messages the inbox has ever accepted.
func (b *Inbox) Total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// Watch calls f for each message from now on, in the goroutine that sends it and
// after List has it, until cancel is called. f may use the inbox.
func (b *Inbox) Watch(f func(Entry)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.watched
	b.watched++
	b.watchers[id] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, id)
	}
}

// FailWith makes Send return what f returns where it is not nil, instead of
// keeping the message: how a test plays an operator that refuses. A nil f ends
// it. f may be called by several goroutines at once.
func (b *Inbox) FailWith(f func(m *mail.Message) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}
