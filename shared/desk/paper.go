package desk

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Paper is a printed copy of a desk, or of all desks of a scope: what stood in its rows
// when it was made, so that row 12 means the same when it is keyed in.
type Paper struct {
	Number int           `json:"n"`
	At     time.Time     `json:"t"`
	By     Person        `json:"b"`
	Rows   []alert.Ref   `json:"r,omitempty"` // of one desk: row 1 first
	Homes  [][]alert.Ref `json:"h,omitempty"` // of a scope: the families of each row's household
}

const (
	// MaxPaper is how many rows a paper copy has at most.
	MaxPaper = 1000
	// PapersKept is for how long a copy of a scope is kept. That of one desk is kept
	// with its alert.
	PapersKept = 90 * 24 * time.Hour
)

// Households returns the families of each row, row 1 first.
func (p Paper) Households() [][]alert.Ref {
	all := p.Homes
	for _, r := range p.Rows {
		all = append(all, []alert.Ref{r})
	}
	return all
}

const papers = "paper/"

func paperKey(partition string, number int) table.Key {
	return table.Key{Partition: partition, Sort: fmt.Sprintf(papers+"%06d", number)}
}

// scopePart is where the papers of all desks of the scope are.
func (d Desk) scopePart() string { return "desk-papers/" + d.Place.Scope }

// Print keeps rows as a paper copy with the next number of the alert. It fails with a
// problem if there are more than MaxPaper.
func (d Desk) Print(ctx context.Context, alertID string, who Person, rows []Row) (Paper, error) {
	p := Paper{By: who}
	for _, r := range rows {
		p.Rows = append(p.Rows, r.Ref)
	}
	return d.print(ctx, part(alertID), p, time.Time{})
}

// PrintHouseholds keeps households as a paper copy with the next number of the desk's
// scope, for PapersKept. It fails as Print does.
func (d Desk) PrintHouseholds(ctx context.Context, who Person, homes []Household) (Paper, error) {
	p := Paper{By: who}
	for _, h := range homes {
		var refs []alert.Ref
		for _, r := range h.Rows {
			refs = append(refs, r.Ref)
		}
		p.Homes = append(p.Homes, refs)
	}
	return d.print(ctx, d.scopePart(), p, d.Alerts.Now().Add(PapersKept))
}

func (d Desk) print(ctx context.Context, partition string, p Paper, ends time.Time) (Paper, error) {
	if n := len(p.Rows) + len(p.Homes); n > MaxPaper {
		return p, problem.New(problem.Invalid,
			"%d家庭あります。1部の紙に印刷できるのは%d家庭までです。手分けの人数を指定するか、絞り込んでから印刷してください。",
			"There are %d families, and one list on paper has at most %d. Split the list or narrow it down, then print.", n, MaxPaper)
	}
	p.At = d.Alerts.Now().UTC()
	err := table.Again(func() error {
		before, err := d.Alerts.Table.Query(ctx, table.Query{Partition: partition, Prefix: papers, Reverse: true, Limit: 1})
		if err != nil {
			return err
		}
		p.Number = 1
		if len(before.Items) > 0 {
			last, _ := strconv.Atoi(before.Items[0].Sort[len(papers):])
			p.Number = last + 1
		}
		return d.Alerts.Table.Write(ctx, "", table.Create{Key: paperKey(partition, p.Number), Value: table.Encode(p), Expires: ends})
	})
	return p, err
}

// Paper reads a paper copy of an alert's desk. It fails with alert.ErrNotFound if there
// is none.
func (d Desk) Paper(ctx context.Context, alertID string, number int) (Paper, error) {
	return d.paper(ctx, part(alertID), number)
}

// ScopePaper reads a paper copy of all desks of the scope, as Paper does.
func (d Desk) ScopePaper(ctx context.Context, number int) (Paper, error) {
	return d.paper(ctx, d.scopePart(), number)
}

func (d Desk) paper(ctx context.Context, partition string, number int) (Paper, error) {
	p, revision, err := table.Load[Paper](ctx, d.Alerts.Table, paperKey(partition, number))
	if err == nil && revision == 0 {
		err = alert.ErrNotFound
	}
	return p, err
}
