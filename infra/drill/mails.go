package drill

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Mail is a mail as its receiver gets it.
type Mail struct {
	To      string // without the quotes that an odd local part needs on its way
	From    string
	Subject string
	Text    string // lines end in \n
	HTML    string
	Headers map[string]string // as sent: encoded, but unfolded
}

// Operator takes the mail of a system, or does not.
type Operator interface {
	// Mails returns all mail that was taken.
	Mails() []Mail
	// Decide has the operator ask f about every mail from now on. f may be called by
	// several goroutines at once; nil: everything is taken.
	Decide(f func(to string) Verdict)
}

// Verdict is what an operator does with a mail.
type Verdict int

// The verdicts.
const (
	Take   Verdict = iota
	PutOff         // 451: this one later
	Refuse         // 550: this one never
	Away           // the operator cannot be reached at all
	Unsaid         // taken, but where verdicts come as events none does
	Unkept         // taken by the mail service, which the receiving operator puts off until it gives up
)

// envelope tells mails apart as receivers do.
type envelope struct{ Subject, To string }

func (m Mail) envelope() envelope { return envelope{m.Subject, m.To} }

// bare takes the quotes from a local part that RFC 5321 has quoted.
func bare(address string) string {
	local, domain, _ := strings.Cut(strings.TrimPrefix(address, `"`), `"@`)
	if domain == "" {
		return address
	}
	return local + "@" + domain
}

var answerLink = regexp.MustCompile(`https?://\S+/a/[A-Za-z0-9_-]+`)

// Link returns the address of the answer page, from the mail's text.
func (m Mail) Link() string { return answerLink.FindString(m.Text) }

// with returns the mails that were taken with a subject.
func (d *Drill) with(subject string) []Mail {
	return slices.DeleteFunc(d.Operator.Mails(), func(m Mail) bool { return m.Subject != subject })
}

// flow returns what is called again and again while copies are waited for: it moves
// the clock by a second when nothing is under way, and copies wait for their lane to
// hear how the first ones fared.
func (d *Drill) flow() func() {
	const often = 20
	quiet := 0
	return func() {
		now, later, err := d.Waiting()
		if err != nil || now > 0 || later == 0 {
			quiet = 0
			return
		}
		if quiet++; quiet == often {
			d.Clock.Advance(time.Second)
			quiet = 0
		}
	}
}

// ArriveLater is Arrive for mails that lanes hold back for a while.
func (d *Drill) ArriveLater(within time.Duration, subject string, to ...string) map[string]Mail {
	d.Helper()
	const step = 20 * time.Second
	for waited := time.Duration(0); waited < within && len(d.with(subject)) < len(to); waited += step {
		d.Advance(step)
	}
	return d.Arrive(subject, to...)
}

// Arrive waits until every one of the addresses has got a mail with the subject,
// and fails if others got one. It returns the mails by address, each of them one:
// a second one fails the scenario when it ends.
func (d *Drill) Arrive(subject string, to ...string) map[string]Mail {
	d.Helper()
	for _, address := range to {
		d.expected[envelope{subject, address}]++
	}
	flow := d.flow()
	d.Until("mails arrive: "+subject, func() bool { flow(); return len(d.with(subject)) >= len(to) })
	d.Quiet()
	mails := map[string]Mail{}
	for _, m := range d.with(subject) {
		mails[m.To] = m
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(to)), slices.Sorted(maps.Keys(mails))); diff != "" {
		d.Fatalf("mails %q (-expected +came):\n%s", subject, diff)
	}
	return mails
}
