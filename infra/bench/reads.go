package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

// counter is a table that counts the items that are read.
type counter struct {
	table.Table
	items atomic.Int64
}

func (c *counter) Get(ctx context.Context, key table.Key) (table.Item, error) {
	c.items.Add(1)
	return c.Table.Get(ctx, key)
}

func (c *counter) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	c.items.Add(int64(len(keys)))
	return c.Table.GetMany(ctx, keys...)
}

func (c *counter) Query(ctx context.Context, q table.Query) (table.Page, error) {
	p, err := c.Table.Query(ctx, q)
	c.items.Add(int64(len(p.Items)))
	return p, err
}

// countReads returns how many items of the table it takes to show the status of
// an alert by the API and as a page, those that say who asks included. The
// program that used the folder must have ended.
func countReads(ctx context.Context, data, alertID string) (api, page int64, err error) {
	db, err := bbolt.Open(filepath.Join(data, machine.FileName))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t, err := bbolt.New(db, time.Now)
	if err != nil {
		return 0, 0, err
	}
	c := &counter{Table: t}
	server, err := newConsole(c)
	if err != nil {
		return 0, 0, err
	}
	pages, err := server.Handler()
	if err != nil {
		return 0, 0, err
	}
	ask, err := credentials(ctx, server)
	if err != nil {
		return 0, 0, err
	}
	read := func(path string) (int64, error) {
		before := c.items.Load()
		res := httptest.NewRecorder()
		pages.ServeHTTP(res, ask(path))
		if res.Code != http.StatusOK {
			return 0, fmt.Errorf("%s: %d", path, res.Code)
		}
		return c.items.Load() - before, nil
	}
	if api, err = read("/api/v1/alerts/" + alertID); err != nil {
		return 0, 0, err
	}
	page, err = read("/alerts/" + alertID)
	return api, page, err
}

func newConsole(t table.Table) (*console.Server, error) {
	lanes, err := lane.Load(nil)
	if err != nil {
		return nil, err
	}
	ids := newIDs()
	alerts, schools := &alert.Store{Table: t, IDs: ids, Now: time.Now}, &roster.Store{Table: t, IDs: ids, Now: time.Now}
	return &console.Server{
		App: &console.App{
			Alerts: alerts, Roster: schools,
			Docket: &docket.Store{Table: t, Alerts: alerts, Roster: schools, Now: time.Now},
			Now:    time.Now, Log: slog.New(slog.DiscardHandler),
		},
		Staff: &staff.Store{Table: t, IDs: ids, Now: time.Now, Random: rand.Reader},
		Lanes: lanes,
	}, nil
}

// credentials returns what makes requests of the first manager, who is signed in
// to the pages and has a token of the API.
func credentials(ctx context.Context, s *console.Server) (ask func(path string) *http.Request, err error) {
	schools, err := s.Roster.Schools(ctx)
	if err != nil || len(schools) == 0 {
		return nil, errors.Join(errors.New("no school"), err)
	}
	people, err := s.Staff.OfSchool(ctx, schools[0].ID)
	if err != nil || len(people) == 0 {
		return nil, errors.Join(errors.New("no staff"), err)
	}
	link, err := s.Staff.NewLink(ctx, people[0].ID, 0)
	if err != nil {
		return nil, err
	}
	session, _, err := s.Staff.SignIn(ctx, link, "")
	if err != nil {
		return nil, err
	}
	_, token, err := s.Staff.NewToken(ctx, people[0].ID, "bench", 0)
	return func(path string) *http.Request {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.AddCookie(&http.Cookie{Name: "session", Value: session})
		return r
	}, err
}
