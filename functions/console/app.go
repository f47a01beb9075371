// Package console is the staff's side of Todoku: pages and a JSON API over the
// same application services.
//
// Every page and API call says what it does, as an action of package access, and
// cannot be registered without (routes.go). To add a page:
//
//	func (s *Server) slipRoutes(rt *routes) {
//		rt.page("GET /slips", access.Reach, s.slips)                             // about the whole school
//		rt.page("GET /alerts/{id}/x", access.SeeAlert, s.x, on(theAlert))        // about the alert {id}
//		rt.page("POST /alerts", access.Send, s.sendAlert, on(undecided), ...)    // the handler calls access.Check
//		rt.page("POST /slips", access.Reach, s.upload, upTo(1<<20), ...)         // with a larger body
//		rt.open("GET /sign-in", s.getSignIn)                                     // for everybody
//	}
//
// and call it in Server.Handler. An API call is a line of Server.endpoints with an
// action. If no action fits, add one to package access, and to its test's table. A
// link of the navigation names its action, too, and is shown to those who may.
//
// A POST also says what it writes into the audit log: records(kind) does so before
// the handler runs, recordsItself() where the handler knows better (recording), and
// changesNothing() where nobody would ask. A page that shows children by name says
// records(audit.View), a file of them the kind of its export.
//
// A handler that does not say what it is about (on) is about the whole school, so
// that forgetting it refuses teachers too much and never lets them see too much.
package console

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// App is what staff can do. The pages and the API call these services and hold
// no rules of their own.
type App struct {
	Alerts *alert.Store
	Roster *roster.Store
	Audit  *audit.Log
	Jobs   queue.Sender // of the fan-out function
	Mail   mail.Sender  // for a test copy to oneself
	Links  *link.Signer
	Gate   *gate.Gate // knows how the lanes fare; nil: nothing is said of it
	Enrol  *enrol.Store
	// InboundDomain is where empty mails with a code in front are taken; "": nowhere.
	InboundDomain string
	Docket        *docket.Store                // what operators refuse
	Doctor        *doctor.Records              // what is wrong outside of Todoku
	Stuck         heal.Records                 // what stands still on its way to guardians; without a table nobody looks
	Proof         *proof.Records               // that the whole way works; nil: nothing is said of it
	Dead          map[string]queue.DeadLetters // by queue: what was given up; nil where no queue tells
	Hosts         *mailhost.Store              // what DNS says of mail domains; nil: it is not asked
	// Pace is how many mails a second the account may send in all, 0 if nobody knows; nil: no
	// such limit is known.
	Pace func(ctx context.Context) (float64, error)
	// BaseURL is where the pages are seen from outside, without a slash at the end.
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
}

// Preview is what an alert would be, before anything is sent.
type Preview struct {
	Draft alert.Draft
	Size  audience.Size
	Mail  *mail.Message // as a guardian will see it, with an example link
	// Left are the children of the alert to be replaced who are not among those whom this one
	// is for. If that one was only for families that had not answered, they are at most so many.
	Left int

	groups   []roster.Group
	families []string         // ids
	byLane   map[string]int64 // copies, where they were not counted by families; nil: they can be
}

// Preview checks a draft and counts its audience. It fails with the problems of
// the draft's fields.
func (a *App) Preview(ctx context.Context, d alert.Draft) (Preview, error) {
	d, wrong := d.Tidy(a.Now())
	if len(wrong) > 0 {
		return Preview{Draft: d}, wrong
	}
	groups, err := audience.Groups(ctx, a.Roster, d.School, d.Groups, d.All)
	if err != nil {
		return Preview{Draft: d}, err
	}
	d.Audience = audience.Names(groups, d.All)
	if d.Follows != "" {
		return a.previewFollowing(ctx, d)
	}
	size, families, err := audience.Count(ctx, a.Roster, d.School, groups)
	if err != nil {
		return Preview{Draft: d}, err
	}
	school, err := a.Roster.School(ctx, d.School)
	if err != nil {
		return Preview{Draft: d}, err
	}
	p := Preview{Draft: d, Size: size, Mail: a.sample(d, school), groups: groups, families: families}
	p.Left, err = a.leftOut(ctx, p)
	return p, err
}

// leftOut counts the children for whom the alert that a preview's would replace was, and who
// are in none of the preview's groups. What is wrong with that alert is said when it is sent.
func (a *App) leftOut(ctx context.Context, p Preview) (int, error) {
	if p.Draft.Supersedes == "" || p.Draft.All {
		return 0, nil
	}
	old, err := a.Alerts.Alert(ctx, p.Draft.Supersedes)
	if err != nil || old.School != p.Draft.School {
		return 0, nil //nolint:nilerr // see above
	}
	both, err := audience.Groups(ctx, a.Roster, old.School, old.Groups, old.All)
	if err != nil && !problem.Is(err, problem.Invalid) { // a group that vanished
		return 0, err
	}
	for _, g := range p.groups {
		if !slices.ContainsFunc(both, func(o roster.Group) bool { return o.ID == g.ID }) {
			both = append(both, g)
		}
	}
	size, _, err := audience.Count(ctx, a.Roster, old.School, both)
	return size.Children - p.Size.Children, err
}

// sample is the mail that a draft would send, to the sender.
func (a *App) sample(d alert.Draft, school roster.School) *mail.Message {
	sample := alert.Alert{Kind: d.Kind, Choices: d.Choices, Subject: d.Subject, Body: d.Body, Sender: d.Sender, UsefulUntil: d.UsefulUntil}
	w := letter.NewWriter(sample, school, 0, a.InboundDomain != "")
	return w.Sample("preview", address.MailboxOf(d.Sender.Mail), a.BaseURL+link.Answer.Path()+"example", a.Now())
}

// Send accepts an alert of somebody's and has its copies made. The same key gives the same
// alert again, so a double click, a reload and a retry send once.
func (a *App) Send(ctx context.Context, me staff.Staff, d alert.Draft, key string) (alert.Alert, error) {
	// A repeated request is recognised first: its groups may be gone by now.
	if al, err := a.Alerts.Repeated(ctx, d, key); err == nil {
		a.start(ctx, al.ID, alert.FanOut)
		return al, nil
	}
	names, nobody, err := a.audienceOf(ctx, d)
	if err != nil {
		return alert.Alert{}, err
	}
	if d.Follows != "" {
		names += "（未回答の家庭）"
	}
	d.Audience, d.ID = names, a.Alerts.IDs.New()
	chases, err := a.Alerts.Chases(ctx, d.School)
	if err != nil {
		return alert.Alert{}, err
	}
	d.TellMissing = chases.Of(d.Kind).TellMissing
	if _, wrong := d.Tidy(a.Now()); len(wrong) > 0 {
		return alert.Alert{}, wrong // nothing that could be done, so nothing to record
	}
	if nobody && d.Follows == "" {
		return alert.Alert{}, errNobody
	}
	made := false
	al, err := recording(ctx, a, sendEntry(me, d), func() (al alert.Alert, err error) {
		al, made, err = a.Alerts.Accept(ctx, d, key)
		return al, err
	})
	if err != nil {
		return al, err
	}
	if !made { // the same request, at the same time
		a.failed(ctx, sendEntry(me, d), problem.New(problem.Conflict, "同じ送信です。", "Sent already."))
	}
	if made {
		a.Log.Info("alert accepted", "alert", al.ID, "school", al.School, "kind", al.Kind, "sender", al.Sender.ID)
	}
	a.start(ctx, al.ID, alert.FanOut)
	return al, nil
}

// audienceOf returns what the draft's groups are called, and whether it is certain that no
// child is in them: an alert to nobody must not look sent, and one to somebody is not kept
// back for what cannot be read. For the whole school it reads one family, so that sending
// takes no longer for a large one.
func (a *App) audienceOf(ctx context.Context, d alert.Draft) (names string, nobody bool, err error) {
	if d.All {
		families, _, err := a.Roster.FamiliesUpTo(ctx, d.School, "", 1)
		return audience.Names(nil, true), err == nil && len(families) == 0, nil
	}
	groups, err := audience.Groups(ctx, a.Roster, d.School, d.Groups, false)
	return audience.Names(groups, false), err == nil && a.empty(ctx, d.School, groups), err
}

// empty reports whether it is certain that no child is in the groups. Where their counters
// say that there are children it reads nothing.
func (a *App) empty(ctx context.Context, school string, groups []roster.Group) bool {
	if slices.ContainsFunc(groups, func(g roster.Group) bool { return g.Children > 0 }) {
		return false
	}
	return !slices.ContainsFunc(groups, func(g roster.Group) bool {
		members, _, err := a.Roster.Members(ctx, school, g.ID, "")
		return err != nil || len(members) > 0
	})
}

// errNobody says that an alert would reach no child.
var errNobody = problem.New(problem.Invalid,
	"選ばれたグループには児童生徒がいません。別のグループを選んでください。",
	"There are no children in the groups that you chose. Choose other groups.").In("groups")

// start asks for a job. If the queue is away the alert is accepted all the same:
// the tick asks again for every job that has not begun.
func (a *App) start(ctx context.Context, id string, job alert.Job) {
	if err := a.Jobs.Send(ctx, alert.JobMessage(id, job, 0)); err != nil {
		a.Log.Warn("job not queued, the tick will", "alert", id, "job", job, "err", err)
	}
}

// errNoMail says that a test copy has nowhere to go.
var errNoMail = errors.New("console: the sender has no mail address")

// SendTest sends the mail of a draft to the sender alone, marked as a test. It
// makes no alert and counts nowhere.
func (a *App) SendTest(ctx context.Context, d alert.Draft) error {
	p, err := a.Preview(ctx, d)
	if err != nil {
		return err
	}
	if d.Sender.Mail == "" {
		return errNoMail
	}
	m := p.Mail
	m.ID = a.Alerts.IDs.New()
	m.Subject = "【テスト】" + m.Subject
	m.Tags = nil
	return a.Mail.Send(ctx, m)
}

// alertOf reads an alert of a school: one of another school does not exist.
func (a *App) alertOf(ctx context.Context, school, id string) (alert.Alert, error) {
	al, err := a.Alerts.Alert(ctx, id)
	if err == nil && al.School != school {
		return alert.Alert{}, alert.ErrNotFound
	}
	return al, err
}

// Undo takes back an alert within its undo window.
func (a *App) Undo(ctx context.Context, school, id string) (alert.Alert, error) {
	if _, err := a.alertOf(ctx, school, id); err != nil {
		return alert.Alert{}, err
	}
	return a.Alerts.Undo(ctx, id)
}

// Close ends an alert: its links show that it is over, and what has not left is
// cancelled.
func (a *App) Close(ctx context.Context, school, id string) (alert.Alert, error) {
	if _, err := a.alertOf(ctx, school, id); err != nil {
		return alert.Alert{}, err
	}
	al, err := a.Alerts.Close(ctx, id)
	if err == nil {
		a.start(ctx, id, alert.Cancel)
	}
	return al, err
}

// Status reads where an alert of a school stands.
func (a *App) Status(ctx context.Context, school, id string) (alert.Status, error) {
	al, err := a.alertOf(ctx, school, id)
	if err != nil {
		return alert.Status{}, err
	}
	return a.Alerts.Status(ctx, al)
}
