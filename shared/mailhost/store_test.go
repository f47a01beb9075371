package mailhost_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// newStore returns a store on an empty table, and a clock to move.
func newStore(t *testing.T, s *dnstest.Server) (*mailhost.Store, *time.Time) {
	t.Helper()
	now := time.Date(2026, 4, 8, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	tbl := bbolttest.Open(t, clock)
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	asker := &mailhost.Asker{Resolver: s.Resolver(), Now: clock}
	return &mailhost.Store{Table: tbl, Asker: asker, Lanes: lanes, Now: clock}, &now
}

// lanesOf returns the names of the lanes of domains, by what is known.
func lanesOf(t *testing.T, s *mailhost.Store, domains ...string) map[string]string {
	t.Helper()
	known, err := s.Known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, d := range domains {
		names[d] = known.Of(d).Name
	}
	return names
}

// The MX decides the lane, once it was learned; before that, and where DNS says
// nothing, the domain does.
func TestLearn(t *testing.T) {
	s := dnstest.Start(t, append(records, "club.example.org. MX 10 mx1.hosting.example.net.", "own.example.com. MX 10 own.example.com.")...)
	store, now := newStore(t, s)
	domains := []string{"school.example.jp", "club.example.org", "own.example.com", "gone.example.jp", "docomo.ne.jp"}
	want := map[string]string{
		"school.example.jp": "example.jp", "club.example.org": "example.org", "own.example.com": "example.com",
		"gone.example.jp": "example.jp", "docomo.ne.jp": "docomo",
	}
	if diff := cmp.Diff(want, lanesOf(t, store, domains...)); diff != "" {
		t.Errorf("before: -want +got:\n%s", diff)
	}
	learn := func() {
		t.Helper()
		if err := store.Learn(t.Context(), domains, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	learn()
	want["school.example.jp"], want["club.example.org"] = "google", "example.net"
	if diff := cmp.Diff(want, lanesOf(t, store, domains...)); diff != "" {
		t.Errorf("after: -want +got:\n%s", diff)
	}
	if n := s.Asked("docomo.ne.jp."); n > 0 {
		t.Errorf("the lanes file knows docomo.ne.jp, and DNS was asked %d times", n)
	}

	s.Set(t, append(records, "club.example.org. MX 10 smtp.google.com.")...)
	*now = now.Add(8 * 24 * time.Hour)
	learn()
	want["club.example.org"] = "google"
	if diff := cmp.Diff(want, lanesOf(t, store, domains...)); diff != "" {
		t.Errorf("after a move: -want +got:\n%s", diff)
	}
	s.Set(t, append(records, "club.example.org. MX 10 mx.club.example.org.")...)
	*now = now.Add(8 * 24 * time.Hour)
	learn()
	want["club.example.org"] = "example.org"
	if diff := cmp.Diff(want, lanesOf(t, store, domains...)); diff != "" {
		t.Errorf("after it came home: -want +got:\n%s", diff)
	}
	*now = now.Add(401 * 24 * time.Hour)
	if got := lanesOf(t, store, "school.example.jp"); got["school.example.jp"] != "example.jp" {
		t.Errorf("kept too long: %v", got)
	}
}

// Check says what is wrong with a list's domains and asks of none that is known.
func TestCheck(t *testing.T) {
	store, _ := newStore(t, dnstest.Start(t, records...))
	got := store.Check(t.Context(), []string{"docomo.ne.jp", "docomo.ne.jo", "null.example.jp"}, 5*time.Second)
	want := map[string]mailhost.Answer{"docomo.ne.jo": {State: mailhost.Nowhere}, "null.example.jp": {State: mailhost.Null}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
