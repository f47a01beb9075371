package docket

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Line is a contact at which mail did not arrive, as teachers see it.
type Line struct {
	Class   string      `json:"c"` // group id of a child's class
	Family  string      `json:"f"`
	Contact string      `json:"k"`
	Refusal judge.Class `json:"r"`
	At      time.Time   `json:"t"`
	Closed  bool        `json:"x,omitempty"` // it gets no more alerts
}

func refusedPart(school string) string { return "school/" + school + "/refused" }

// list writes a line in the place of an older one.
func (s *Store) list(ctx context.Context, school string, l Line) error {
	key := table.Key{Partition: refusedPart(school), Sort: l.Class + "/" + l.Family + "/" + l.Contact}
	return table.Set(ctx, s.Table, table.Item{Key: key, Value: table.Encode(l), Expires: s.Now().Add(listed)})
}

// Seen is a line, with what the roster says of it now.
type Seen struct {
	Line
	Guardian roster.Guardian
	Now      roster.Contact
	Children []roster.Child // of the line's class, for whom the guardian answers
}

// mostSeen bounds what a page reads.
const mostSeen = 200

// Refused returns the contacts of a class at which mail did not arrive, or of all classes
// for "". What has been put right is left out: the contact answered since, or was
// changed. more says that there are others.
func (s *Store) Refused(ctx context.Context, school, class string) (seen []Seen, more bool, err error) {
	q := table.Query{Partition: refusedPart(school), Limit: mostSeen}
	if class != "" {
		q.Prefix = class + "/"
	}
	page, err := s.Table.Query(ctx, q)
	if err != nil {
		return nil, false, err
	}
	for _, item := range page.Items {
		var l Line
		if err := json.Unmarshal(item.Value, &l); err != nil {
			return nil, false, fmt.Errorf("docket: item %s: %w", item.Key, err)
		}
		f, err := s.Roster.Family(ctx, school, l.Family)
		if err != nil {
			continue // it has left, or is part of another by now
		}
		v, ok := l.now(f)
		if ok {
			seen = append(seen, v)
		}
	}
	return seen, page.Next != "", nil
}

// now says what the roster says of a line, and false if it has been put right.
func (l Line) now(f roster.Family) (Seen, bool) {
	g, k := f.Contact(l.Contact)
	if g == nil || k.Answered.After(l.At) || l.Closed && k.State != roster.Refused {
		return Seen{}, false
	}
	v := Seen{Line: l, Guardian: *g, Now: *k}
	for _, c := range f.ChildrenOf(g.ID) {
		if c.Class == l.Class {
			v.Children = append(v.Children, c)
		}
	}
	return v, len(v.Children) > 0
}
