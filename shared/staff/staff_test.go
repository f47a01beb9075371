package staff

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

var day = time.Date(2026, 4, 6, 8, 0, 0, 0, time.UTC)

// clock is the time in a test. It goes on when the test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newStore returns an empty store on the embedded table, its clock, and a manager.
func newStore(t *testing.T) (*Store, *clock, Staff) {
	t.Helper()
	c := &clock{now: day}
	tb := bbolttest.Open(t, c.Now)
	s := &Store{Table: tb, IDs: id.NewSource(c.Now, rand.Reader), Now: c.Now, Random: rand.Reader}
	m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "山田 花子", Mail: "hanako@school.example", Role: Manager})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, m
}

// signInAs returns the secret of a new session of m.
func signInAs(t *testing.T, s *Store, m Staff) string {
	t.Helper()
	token, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := s.SignIn(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestPutStaff(t *testing.T) {
	s, _, m := newStore(t)
	m.School, m.Role = "s2", Teacher
	changed, err := s.PutStaff(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Staff(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(changed, got); diff != "" {
		t.Errorf("stored (-returned +read):\n%s", diff)
	}
	if all, err := s.OfSchool(t.Context(), "s1"); err != nil || len(all) != 0 {
		t.Errorf("the old school still has %v, %v", all, err)
	}
	all, err := s.OfSchool(t.Context(), "s2")
	if diff := cmp.Diff([]Staff{changed}, all); diff != "" || err != nil {
		t.Errorf("the new school (-want +got), %v:\n%s", err, diff)
	}
	if _, err := s.PutStaff(t.Context(), m); !problem.Is(err, problem.Conflict) {
		t.Errorf("a change of an old revision: %v, want a conflict", err)
	}
}

func TestPutStaffRefuses(t *testing.T) {
	s, _, _ := newStore(t)
	good := Staff{School: "s1", Name: "佐藤", Role: Teacher}
	tests := []struct {
		name   string
		change func(*Staff)
		field  string
	}{
		{"no school", func(m *Staff) { m.School = "" }, "school"},
		{"no name", func(m *Staff) { m.Name = " \u3000" }, "name"},
		{"a long name", func(m *Staff) { m.Name = strings.Repeat("長", MaxName+1) }, "name"},
		{"no role", func(m *Staff) { m.Role = "" }, "role"},
		{"an unknown role", func(m *Staff) { m.Role = "root" }, "role"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := good
			tt.change(&m)
			_, err := s.PutStaff(t.Context(), m)
			if l := problem.Of(err); len(l) != 1 || l[0].Field != tt.field || l[0].Kind != problem.Invalid {
				t.Errorf("got %v, want one problem of %q", err, tt.field)
			}
		})
	}
}

func TestStaffUnknown(t *testing.T) {
	s, _, _ := newStore(t)
	for _, staffID := range []string{"", "nobody", s.IDs.New(), "\x00", strings.Repeat("a", 5000)} {
		if _, err := s.Staff(t.Context(), staffID); !errors.Is(err, ErrNotFound) {
			t.Errorf("Staff(%.20q) = %v, want ErrNotFound", staffID, err)
		}
	}
}

func TestLinkSignsInOnce(t *testing.T) {
	s, _, m := newStore(t)
	token, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a mail scanner looks at it
		if err := s.CheckLink(t.Context(), token, ""); err != nil {
			t.Fatalf("before it is used: %v", err)
		}
	}
	secret, who, err := s.SignIn(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	if who.Via == "" {
		t.Error("the session has no id")
	}
	who.Via = ""
	if diff := cmp.Diff(m, who); diff != "" {
		t.Errorf("signed in (-want +got):\n%s", diff)
	}
	if who, err := s.BySession(t.Context(), secret); err != nil || who.ID != m.ID {
		t.Errorf("the session is %v's, %v", who, err)
	}
	if err := s.CheckLink(t.Context(), token, ""); !errors.Is(err, ErrLink) {
		t.Errorf("CheckLink after use: %v", err)
	}
	if _, _, err := s.SignIn(t.Context(), token, ""); !errors.Is(err, ErrLink) {
		t.Errorf("a second use: %v", err)
	}
}

func TestTwoClicksAtOnce(t *testing.T) {
	s, _, m := newStore(t)
	token, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	const clicks = 8
	var wg sync.WaitGroup
	errs := make([]error, clicks)
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = s.SignIn(t.Context(), token, "") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrLink):
			t.Errorf("a click that lost: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d clicks signed in, want 1", won, clicks)
	}
}

func TestLinkExpires(t *testing.T) {
	tests := []struct {
		name string
		life time.Duration
		wait time.Duration
		ok   bool
	}{
		{"just before", 0, LinkLife - time.Second, true},
		{"at the end", 0, LinkLife, false},
		{"its own life", 24 * time.Hour, 23 * time.Hour, true},
		{"long after", time.Minute, 240 * time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			token, err := s.NewLink(t.Context(), m.ID, tt.life)
			if err != nil {
				t.Fatal(err)
			}
			c.pass(tt.wait)
			_, _, err = s.SignIn(t.Context(), token, "")
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrLink) {
				t.Errorf("SignIn = %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// unknown is what comes in place of a secret.
var unknown = []string{"", "x", "todoku_", "todoku_x", "\x00", "../../etc/passwd", "\u202e", strings.Repeat("A", 1<<20)}

func TestUnknownSecrets(t *testing.T) {
	s, _, _ := newStore(t)
	for _, secret := range unknown {
		if _, _, err := s.SignIn(t.Context(), secret, ""); !errors.Is(err, ErrLink) {
			t.Errorf("SignIn(%.20q) = %v", secret, err)
		}
		if _, err := s.BySession(t.Context(), secret); !errors.Is(err, ErrSession) {
			t.Errorf("BySession(%.20q) = %v", secret, err)
		}
		if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
			t.Errorf("ByToken(%.20q) = %v", secret, err)
		}
		if err := s.SignOut(t.Context(), secret); err != nil {
			t.Errorf("SignOut(%.20q) = %v", secret, err)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	const often = SessionIdle - time.Minute
	tests := []struct {
		name  string
		pause time.Duration // between two uses
		uses  int
		ok    bool // for the last use
	}{
		{"used within the idle time", often, 3, true},
		{"idle", SessionIdle, 1, false},
		{"in use until just before its life ends", often, int((SessionLife - 1) / often), true},
		{"in use beyond its life", often, int(SessionLife/often) + 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			secret := signInAs(t, s, m)
			var err error
			for range tt.uses {
				c.pass(tt.pause)
				_, err = s.BySession(t.Context(), secret)
			}
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrSession) {
				t.Errorf("the last use: %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// counting counts the writes to a table.
type counting struct {
	table.Table
	writes int
}

func (c *counting) Write(ctx context.Context, token string, ops ...table.Op) error {
	c.writes++
	return c.Table.Write(ctx, token, ops...)
}

func TestUseIsWrittenSeldom(t *testing.T) {
	s, c, m := newStore(t)
	secret := signInAs(t, s, m)
	_, token, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	counter := &counting{Table: s.Table}
	s.Table = counter
	for range 120 { // two minutes of a page that updates itself every second
		c.pass(time.Second)
		if _, err := s.BySession(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ByToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if want := 2 + 1; counter.writes != want {
		t.Errorf("%d writes, want %d", counter.writes, want)
	}
}

func TestManyRequestsOfOneSession(t *testing.T) {
	s, c, m := newStore(t)
	secret := signInAs(t, s, m)
	c.pass(time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.BySession(t.Context(), secret); err != nil {
				t.Errorf("one of several at once: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestSignOut(t *testing.T) {
	s, _, m := newStore(t)
	mine, other := signInAs(t, s, m), signInAs(t, s, m)
	for range 2 {
		if err := s.SignOut(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.BySession(t.Context(), mine); !errors.Is(err, ErrSession) {
		t.Errorf("after signing out: %v", err)
	}
	if _, err := s.BySession(t.Context(), other); err != nil {
		t.Errorf("another session of the same person: %v", err)
	}
}

func TestRoleCountsAtOnce(t *testing.T) {
	s, _, m := newStore(t)
	secret := signInAs(t, s, m)
	m.Role = Teacher
	if _, err := s.PutStaff(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, err := s.BySession(t.Context(), secret); err != nil || got.Role != Teacher {
		t.Errorf("the session has role %q, %v", got.Role, err)
	}
}

func TestTokens(t *testing.T) {
	s, c, m := newStore(t)
	first, secret, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) < len(tokenPrefix)+40 {
		t.Errorf("the token has %d characters or another prefix", len(secret))
	}
	second, _, err := s.NewToken(t.Context(), m.ID, "weather", 0)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	if who, err := s.ByToken(t.Context(), secret); err != nil || who.ID != m.ID {
		t.Errorf("ByToken = %v, %v", who, err)
	}
	first.Used = c.Now()
	got, err := s.Tokens(t.Context(), m.ID)
	if diff := cmp.Diff([]Token{first, second}, got); diff != "" || err != nil {
		t.Errorf("the list (-want +got), %v:\n%s", err, diff)
	}

	if err := s.Revoke(t.Context(), m.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
		t.Errorf("a revoked token: %v", err)
	}
	got, err = s.Tokens(t.Context(), m.ID)
	if diff := cmp.Diff([]Token{second}, got); diff != "" || err != nil {
		t.Errorf("the list after (-want +got), %v:\n%s", err, diff)
	}
	for _, tokenID := range append(unknown, first.ID) {
		if err := s.Revoke(t.Context(), m.ID, tokenID); !errors.Is(err, ErrNotFound) {
			t.Errorf("Revoke(%.20q) = %v, want ErrNotFound", tokenID, err)
		}
	}
}

// TestTokensEnd: at the chosen time, at most after a year, told once before, listed a
// while after.
func TestTokensEnd(t *testing.T) {
	for _, tt := range []struct {
		name       string
		life       time.Duration
		told, ends time.Duration // from now
	}{
		{"as long as may be", 0, TokenLife - TokenNotice, TokenLife},
		{"a month", 30 * 24 * time.Hour, 16 * 24 * time.Hour, 30 * 24 * time.Hour},
		{"a day", 24 * time.Hour, 12 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			made, secret, err := s.NewToken(t.Context(), m.ID, "attendance", tt.life)
			if err != nil || !made.Ends.Equal(c.Now().Add(tt.ends)) {
				t.Fatalf("ends %v, %v", made.Ends, err)
			}
			told := func() (ids []string) {
				t.Helper()
				if err := s.TellEnding(t.Context(), func(k Token) error { ids = append(ids, k.ID); return nil }); err != nil {
					t.Fatal(err)
				}
				return ids
			}
			c.pass(tt.told - time.Second)
			if ids := told(); len(ids) > 0 {
				t.Error("told too early")
			}
			c.pass(time.Second)
			if ids := told(); len(ids) != 1 || ids[0] != made.ID {
				t.Errorf("told of %v", ids)
			}
			c.pass(tt.ends - tt.told - time.Second)
			if ids := told(); len(ids) > 0 {
				t.Error("told twice")
			}
			if _, err := s.ByToken(t.Context(), secret); err != nil {
				t.Errorf("a second before its end: %v", err)
			}
			c.pass(time.Second)
			if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
				t.Errorf("at its end: %v", err)
			}
			if all, err := s.Tokens(t.Context(), m.ID); err != nil || len(all) != 1 || !all[0].Over(c.Now()) {
				t.Errorf("the list at its end: %v, %v", all, err)
			}
			c.pass(tokenKept)
			if all, err := s.Tokens(t.Context(), m.ID); err != nil || len(all) != 0 {
				t.Errorf("the list long after: %v, %v", all, err)
			}
		})
	}
}

// TestTokenLives: no longer than a year, and one revoked is not told of.
func TestTokenLives(t *testing.T) {
	s, c, m := newStore(t)
	for _, life := range []time.Duration{-time.Second, TokenLife + time.Second} {
		if _, _, err := s.NewToken(t.Context(), m.ID, "attendance", life); !problem.Is(err, problem.Invalid) {
			t.Errorf("%v: %v", life, err)
		}
	}
	made, _, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err == nil {
		err = s.Revoke(t.Context(), m.ID, made.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.pass(TokenLife - TokenNotice)
	if err := s.TellEnding(t.Context(), func(Token) error { t.Error("told of a revoked token"); return nil }); err != nil {
		t.Error(err)
	}
}

// TestSecretsAreNotKept looks for the secrets in all that was ever written.
func TestSecretsAreNotKept(t *testing.T) {
	s, _, m := newStore(t)
	spy := &spy{Table: s.Table}
	s.Table = spy
	link, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := s.SignIn(t.Context(), link, "")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(spy.written.String(), m.ID) {
		t.Fatal("the spy saw nothing")
	}
	for what, secret := range map[string]string{"link": link, "session": session, "token": strings.TrimPrefix(token, tokenPrefix)} {
		if strings.Contains(spy.written.String(), secret) {
			t.Errorf("the %s's secret was written", what)
		}
	}
}

// spy keeps the text of all that is written.
type spy struct {
	table.Table
	written strings.Builder
}

func (s *spy) Write(ctx context.Context, token string, ops ...table.Op) error {
	for _, op := range ops {
		s.written.WriteString(op.OpKey().String())
		if c, ok := op.(table.Create); ok {
			s.written.Write(c.Value)
		}
	}
	b, err := json.Marshal(ops)
	s.written.Write(b)
	if err != nil {
		return err
	}
	return s.Table.Write(ctx, token, ops...)
}

// busy fails every write, after doing it if done is set.
type busy struct {
	table.Table
	times int
	done  bool
}

func (b *busy) Write(ctx context.Context, token string, ops ...table.Op) error {
	if b.times == 0 {
		return b.Table.Write(ctx, token, ops...)
	}
	b.times--
	if b.done {
		if err := b.Table.Write(ctx, token, ops...); err != nil {
			return err
		}
	}
	return table.ErrBusy
}

func TestBusyStore(t *testing.T) {
	tests := []struct {
		name  string
		times int
		done  bool
		want  error
	}{
		{"busy for a moment", 2, false, nil},
		{"the reply was lost", 1, true, nil},
		{"busy for long", 1000, false, table.ErrBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _, m := newStore(t)
			token, err := s.NewLink(t.Context(), m.ID, 0)
			if err != nil {
				t.Fatal(err)
			}
			s.Table = &busy{Table: s.Table, times: tt.times, done: tt.done}
			if _, _, err = s.SignIn(t.Context(), token, ""); !errors.Is(err, tt.want) {
				t.Errorf("SignIn = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestBusyStoreTurnsNobodyAway(t *testing.T) {
	s, c, m := newStore(t)
	secret := signInAs(t, s, m)
	c.pass(time.Hour)
	s.Table = &busy{Table: s.Table, times: 1000}
	if _, err := s.BySession(t.Context(), secret); err != nil {
		t.Errorf("a session that cannot be touched: %v", err)
	}
}
