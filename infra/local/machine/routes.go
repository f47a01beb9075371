package machine

import (
	"context"
	"embed"
	"net/http"
	"regexp"
	"strings"

	"github.com/todoku/todoku/functions/acknowledge"
	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/functions/registration"
	"github.com/todoku/todoku/functions/registration/mailhelp"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/health"
)

// routes puts the functions' pages beside each other, as the HTTP API does on AWS.
func (m *Machine) routes(ctx context.Context, mux *http.ServeMux) error {
	school, err := m.firstSchool(ctx)
	if err != nil {
		return err
	}
	secure := strings.HasPrefix(m.cfg.BaseURL, "https://")
	staffPages, err := (&console.Server{
		App: m.app, Staff: m.Staff, Lanes: m.Lanes, School: school, Secure: secure, Background: m.background, OpenID: m.cfg.OpenID,
	}).Handler()
	if err != nil {
		return err
	}
	answerPages, err := acknowledge.New(acknowledge.Config{
		Alerts: m.Alerts, Roster: m.Roster, Links: m.Links, Now: m.cfg.Now, Log: m.cfg.Log,
		School: school, BaseURL: m.cfg.BaseURL, Secure: secure,
	})
	if err != nil {
		return err
	}
	registerPages, err := registration.New(registration.Config{
		Enrol: m.Enrol, Alerts: m.Alerts, Poster: m.poster, Links: m.Links, Lanes: m.Lanes, Hosts: m.Hosts, Now: m.cfg.Now, Log: m.cfg.Log,
		School: school, BaseURL: m.cfg.BaseURL, Secure: secure, Background: m.background,
	})
	if err != nil {
		return err
	}
	mux.Handle("/", staffPages)
	mux.Handle(enrol.Path, registerPages)
	mux.Handle(enrol.Path+"/", registerPages)
	mux.Handle(mailhelp.Path, registerPages)
	mux.Handle(mailhelp.Path+"/", registerPages)
	mux.Handle(link.Answer.Path(), answerPages)
	mux.Handle(link.Read.Path(), answerPages)
	mux.Handle("GET /healthz", m.health())
	mux.Handle("/healthz", onlyGet) // else the staff pages would say that there is no such page
	if m.Inbox == nil {
		return nil
	}
	inboxPages, err := m.inboxPages(school, secure)
	if err != nil {
		return err
	}
	mux.Handle("/inbox", inboxPages)
	mux.Handle("/inbox.json", inboxPages)
	return nil
}

// onlyGet refuses what is none.
var onlyGet = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
})

// firstSchool is the school that error pages name when nothing else is known.
func (m *Machine) firstSchool(ctx context.Context) (web.School, error) {
	schools, err := m.Roster.Schools(ctx)
	if err != nil || len(schools) == 0 {
		return web.School{}, err
	}
	return web.School{Name: schools[0].Name, Phone: schools[0].Phone}, nil
}

func (m *Machine) health() http.Handler {
	checks := map[string]func(context.Context) error{
		"store": m.Table.CheckHealth,
		"queue": m.probes.check,
		"mail":  m.checkMail,
	}
	return health.New(m.cfg.Now, m.cfg.Log, checks).Proven(m.proofs)
}

// checkMail proves by use that mail can be handed over. The inbox is memory: it works
// if this program does.
func (m *Machine) checkMail(ctx context.Context) error {
	if m.relay == nil {
		return nil
	}
	return m.relay.Check(ctx)
}

//go:embed templates/*.html
var templates embed.FS

// inboxLimit is how many mails the inbox page shows at once.
const inboxLimit = 20

type inboxPage struct {
	web.Base
	To    string
	Total int64
	Shown int64
	Mails []inboxMail
}

type inboxMail struct {
	inbox.Entry
	Links []string
}

func (m *Machine) inboxPages(school web.School, secure bool) (http.Handler, error) {
	site, err := web.New(web.Config{Pages: templates, Log: m.cfg.Log, School: school, Secure: secure})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /inbox", site.Handle(m.inboxPage))
	mux.Handle("GET /inbox.json", site.Handle(func(*http.Request) (web.Response, error) {
		return web.JSON{Value: m.Inbox.List()}, nil
	}))
	return site.Root(mux), nil
}

func (m *Machine) inboxPage(r *http.Request) (web.Response, error) {
	p := &inboxPage{To: strings.TrimSpace(r.URL.Query().Get("to"))}
	for _, e := range m.Inbox.List() {
		if !strings.Contains(strings.ToLower(e.To), strings.ToLower(p.To)) {
			continue
		}
		p.Total++
		if len(p.Mails) < inboxLimit {
			p.Mails = append(p.Mails, inboxMail{Entry: e, Links: m.answerLinks(e.Text)})
		}
	}
	p.Shown = int64(len(p.Mails))
	return web.Page{Template: "inbox.html", Data: p}, nil
}

var linkPattern = regexp.MustCompile(`https?://\S+/(?:a|register/confirm|register/own)/[A-Za-z0-9_-]+`)

// answerLinks returns the links to this machine's pages for guardians in a mail. Only
// those are made clickable: what else stands in a mail is text.
func (m *Machine) answerLinks(text string) []string {
	var links []string
	for _, l := range linkPattern.FindAllString(text, -1) {
		if strings.HasPrefix(l, m.cfg.BaseURL+"/") {
			links = append(links, l)
		}
	}
	return links
}
