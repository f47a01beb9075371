package staff

import (
	"context"
	"crypto/rand"
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

// unknown is what comes in place of a secret.

var unknown = []string{"", "x", "todoku_", "todoku_x", "\x00", "../../etc/passwd", "\u202e", strings.Repeat("A", 1<<20)}

// counting counts the writes to a table.

// TestTokensEnd: at the chosen time, at most after a year, told once before, listed a

// while after.

// TestTokenLives: no longer than a year, and one revoked is not told of.

// TestSecretsAreNotKept looks for the secrets in all that was ever written.

// spy keeps the text of all that is written.

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
