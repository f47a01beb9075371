package enrol

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
)

// Poster sends the mails of joins.
type Poster struct {
	Store   *Store
	Mail    mail.Sender
	Links   *link.Signer
	Lanes   *lane.Lanes // through which a letter goes that was put off
	BaseURL string      // without a slash at the end
}

// ErrSoon says that the last mail left just now.
var ErrSoon = problem.New(problem.TooMany,
	"メールを送ったばかりです。1分ほど待ってから、もう一度お試しください。",
	"A mail was sent just now. Wait a minute, then try again.")

// errLetters says that an address has had enough mails for today.
var errLetters = problem.New(problem.TooMany,
	"このメールアドレスには、今日はもう送れません。明日もう一度お試しください。お急ぎのときは学校に連絡してください。",
	"No more mails can be sent to this address today. Try again tomorrow, or call the school if it is urgent.")

// Send mails a join's request for confirmation, and records what the operator said
// of it; that is not an error of Send. A mail that the operator put off is due again
// later. It fails with ErrSoon within Again of the mail before, with a problem of kind
// TooMany after MaxLetters mails to the address in a day, and with ErrEnded when there
// is nothing left to confirm.
func (p *Poster) Send(ctx context.Context, school, joinID string) (Join, error) {
	j, err := p.Store.begin(ctx, school, joinID)
	if err != nil {
		return j, err
	}
	if err := p.Store.spend(ctx, "letters", key(j.Address), MaxLetters, 24*time.Hour); errors.Is(err, ErrTooMany) {
		return j, errLetters
	} else if err != nil {
		return j, err
	}
	if j, err = p.send(ctx, j, letter.Registered); err != nil || j.Mail.State != Waiting {
		return j, err
	}
	return j, p.Store.next(ctx, p.inLane(j), 0)
}

// begin marks that a mail of the join is under way, so that two clicks send one.
func (s *Store) begin(ctx context.Context, school, joinID string) (Join, error) {
	var refused error
	j, err := s.Change(ctx, school, joinID, func(j *Join) bool {
		now := s.Now().UTC()
		switch {
		case !j.Open(now):
			refused = ErrEnded
		case now.Before(j.Mail.Sent.Add(Again)):
			refused = ErrSoon
		default:
			refused = nil
			j.Mail = Letter{Sent: now, At: now, Tries: j.Mail.Tries + 1}
		}
		return refused == nil
	})
	return j, errors.Join(err, refused)
}

// send hands a mail to the operator and records its reply.
func (p *Poster) send(ctx context.Context, j Join, how letter.Asking) (Join, error) {
	m, err := p.letter(ctx, j, how)
	if err != nil {
		return j, err
	}
	sent := p.Mail.Send(ctx, m)
	ctx = context.WithoutCancel(ctx) // what was sent is recorded
	return p.Store.Report(ctx, j.School, j.ID, outcome(sent, p.Store.Now().UTC()))
}

func outcome(err error, now time.Time) Letter {
	var failed *mail.SendError
	switch {
	case err == nil:
		return Letter{State: Accepted, At: now}
	case errors.As(err, &failed) && failed.Permanent:
		return Letter{State: Refused, At: now, Code: failed.Code, Status: failed.Enhanced, Reason: failed.Text}
	case errors.As(err, &failed):
		return Letter{State: Waiting, At: now, Code: failed.Code, Status: failed.Enhanced, Reason: failed.Text}
	}
	return Letter{State: Waiting, At: now}
}

// ranks of what is known of a letter: it only moves up, because reports come late
// and twice.
var ranks = map[LetterState]int{Waiting: 0, Accepted: 1, Delivered: 2, Refused: 3}

// Report records what became of a join's newest mail, unless more is known.
func (s *Store) Report(ctx context.Context, school, joinID string, l Letter) (Join, error) {
	return s.Change(ctx, school, joinID, func(j *Join) bool {
		if ranks[l.State] < ranks[j.Mail.State] || l.State == j.Mail.State && !l.At.After(j.Mail.At) && l.Code == j.Mail.Code {
			return false
		}
		l.Sent, l.Tries = j.Mail.Sent, j.Mail.Tries
		j.Mail = l
		return true
	})
}

// Names of the tags that a join's mail carries, for the operator's events.
const (
	tagJoin   = "join"
	tagSchool = "school"
)

// OfTags returns which join a mail operator's event is about, and false if it is
// about something else.
func OfTags(tags map[string]string) (school, joinID string, ok bool) {
	_, ok = id.Bytes(tags[tagJoin])
	return tags[tagSchool], tags[tagJoin], ok && tags[tagSchool] != ""
}

func (p *Poster) letter(ctx context.Context, j Join, how letter.Asking) (*mail.Message, error) {
	school, err := p.Store.Roster.School(ctx, j.School)
	if err != nil {
		return nil, err
	}
	a, err := address.Parse(j.Address)
	if err != nil {
		return nil, err
	}
	page, err := p.Link(j, link.Confirm)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{tagJoin: j.ID, tagSchool: j.School}
	to := letter.To{School: school, Lang: j.Lang, ID: p.Store.IDs.New(), Mailbox: a.Mailbox(), Tags: tags, Now: p.Store.Now()}
	return letter.Ask(to, how, page), nil
}

// Link returns the address of a join's page: link.Wait or link.Confirm.
func (p *Poster) Link(j Join, kind link.Kind) (string, error) {
	token, err := p.Links.Sign(link.Link{Kind: kind, Alert: j.ID, Class: j.School, Expires: j.Expires})
	return p.BaseURL + kind.Path() + token, err
}

// Path is where the pages of guardians' registration begin, those of links included; a
// slip's page is Path + "/" + code.
const Path = "/register"
