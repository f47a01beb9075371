package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// all measures everything and prints each table as soon as it is known.
func (b *bench) all(ctx context.Context) error {
	if err := b.reportAccept(ctx); err != nil {
		return err
	}
	for _, p := range b.places() {
		if err := b.reportSending(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// table prints aligned columns.
func (b *bench) table(title string, rows ...[]any) {
	b.bar.clear()
	fmt.Printf("\n%s\n", title)
	printTable(os.Stdout, rows)
}

func printTable(out io.Writer, rows [][]any) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		for _, cell := range row {
			_, _ = fmt.Fprintf(w, "%v\t", cell)
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush()
}

func (b *bench) reportAccept(ctx context.Context) error {
	sizes := slices.Compact(append([]int{small}, b.Sizes...))
	medians, err := b.accept(ctx, sizes)
	if err != nil {
		return err
	}
	rows := [][]any{{"recipients", "accepted in", fmt.Sprintf("to that of %d", small)}}
	for i, n := range sizes {
		rows = append(rows, []any{n, milliseconds(medians[i]), fmt.Sprintf("%.2f", float64(medians[i])/float64(medians[0]))})
	}
	b.table("Accept: POST /api/v1/alerts until its durable 201 (goal: at most 2.00)", rows...)
	return nil
}

func (b *bench) reportSending(ctx context.Context, p place) error {
	rates := [][]any{{"recipients", "connections", "Todoku/s", "bare loop/s", "ratio"}}
	costs := [][]any{{"recipients", "CPU a copy", "own memory", "with the mapped file", "file before", "file after", "status, JSON", "reads", "status, page", "reads"}}
	for _, n := range b.Sizes {
		runs, bare, err := b.takeTurns(ctx, p, n)
		if err != nil {
			return err
		}
		of := func(f func(sending) float64) float64 {
			var vs []float64
			for _, r := range runs {
				vs = append(vs, f(r))
			}
			return median(vs)
		}
		rate := of(func(r sending) float64 { return r.rate })
		rates = append(rates, []any{n, p.conns, fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", median(bare)), fmt.Sprintf("%.0f %%", 100*rate/median(bare))})
		last := runs[len(runs)-1]
		costs = append(costs, []any{
			n, fmt.Sprintf("%d µs", last.cpu.Microseconds()), megabytes(last.memory.anonymous), megabytes(last.memory.resident), megabytes(last.before), megabytes(last.after),
			milliseconds(last.api), last.apiReads, milliseconds(last.page), last.pageReads,
		})
	}
	goal := "goal at 100,000: at least 40 %"
	if p.name != "near" {
		goal = "goal: at least 90 %"
	}
	b.table("Sending with the relay "+p.name+", from accept to the last copy's arrival ("+goal+")", rates...)
	b.table("What that takes (goal: under 200 MB of memory)", costs...)
	return nil
}

// takeTurns measures the program and the bare loop by turns.
func (b *bench) takeTurns(ctx context.Context, p place, n int) (runs []sending, bare []float64, err error) {
	for range p.rounds(n) {
		r, err := b.sendSystem(ctx, p, n)
		if err != nil {
			return nil, nil, err
		}
		rate, err := b.sendBare(ctx, p, n)
		if err != nil {
			return nil, nil, err
		}
		runs, bare = append(runs, r), append(bare, rate)
	}
	return runs, bare, nil
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
