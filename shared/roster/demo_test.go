package roster

import (
	"bytes"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/id"
)

func TestDemo(t *testing.T) {
	csv, school := Demo(1)
	if again, _ := Demo(1); !bytes.Equal(again, csv) {
		t.Error("the same seed gives another school")
	}
	if other, _ := Demo(2); bytes.Equal(other, csv) {
		t.Error("another seed gives the same school")
	}
	if _, ok := id.Bytes(school.ID); !ok || school.Location().String() != "Asia/Tokyo" {
		t.Errorf("school is %+v", school)
	}
	s := newStore(t)
	p := load(t, s, string(csv))
	for _, w := range say(p.Warnings) {
		if !strings.Contains(w, "has no mail address") {
			t.Error(w)
		}
	}
	if n := p.Children.Total(); n < 295 || n > 305 {
		t.Errorf("%d children", n)
	}
	groups, err := s.Groups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[GroupKind]int{}
	for _, g := range groups {
		kinds[g.Kind]++
		if g.Kind == Class && (g.Children < 25 || g.Children > 42) {
			t.Errorf("%s has %d children", g.Name, g.Children)
		}
	}
	wantDiff(t, "groups", map[GroupKind]int{Class: 9, Grade: 3, Other: 2}, kinds)
	wantDemoFamilies(t, families(t, s))
	wantUnchanged(t, s, export(t, s, UTF8))
}

func wantDemoFamilies(t *testing.T, fs []Family) {
	t.Helper()
	var siblings, twoAddresses, noRoute, contacts int
	domains := map[string]int{}
	for _, f := range fs {
		n := f.contacts()
		contacts += n
		if len(f.Children) > 1 {
			siblings++
		}
		if n > 1 {
			twoAddresses++
		}
		if n == 0 {
			noRoute++
		}
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				local, domain, _ := strings.Cut(c.Address, "@")
				if !strings.HasPrefix(local, "todoku-demo-") {
					t.Errorf("address %s could be a person's", c.Address)
				}
				domains[domain]++
			}
		}
	}
	if siblings < 30 || twoAddresses < 60 || noRoute < 2 || noRoute > 12 {
		t.Errorf("%d families with siblings, %d with two addresses, %d with none", siblings, twoAddresses, noRoute)
	}
	for _, s := range shares {
		n := domains[s.domain]
		if want := contacts * s.of100 / 100; n == 0 || n < want/2 || n > 2*want+5 {
			t.Errorf("%d of %d addresses at %s, want about %d of 100", n, contacts, s.domain, s.of100)
		}
	}
}

func TestBig(t *testing.T) {
	for _, n := range []int{1, 39, 1000} {
		s := newStore(t)
		groups, fs := Big(1, n, s.IDs)
		if err := s.Load(t.Context(), testSchool, groups, fs); err != nil {
			t.Fatal(err)
		}
		contacts := 0
		for _, f := range families(t, s) {
			contacts += f.contacts()
		}
		if contacts != n {
			t.Errorf("%d contacts, want %d", contacts, n)
		}
		wantConsistent(t, s)
	}
}

func BenchmarkLoadBig(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		b.StartTimer()
		groups, fs := Big(1, n, s.IDs)
		if err := s.Load(b.Context(), testSchool, groups, fs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "contacts/s")
}
