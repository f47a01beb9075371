package keep_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/table"
)

var update = flag.Bool("update", false, "write docs/retention.md anew")

// TestDocument holds the page in docs to the rules.
func TestDocument(t *testing.T) {
	const file = "../../docs/retention.md"
	var b strings.Builder
	b.WriteString(`# What is kept for how long, and why

This page is made from the rules in [shared/keep](../shared/keep/keep.go) (` + "`go test ./shared/keep -update`" + `), by which the
store's ends are written in both modes; every drill holds all items of its store to them. The end of a record is written with it:
DynamoDB removes it within days of that, one machine within minutes, and neither reads it any more from that second on.

ここに書かれた期間を過ぎたデータは、どちらの動かし方でも読めなくなり、自動で消えます。

| what | kept | why |
|---|---|---|
`)
	for _, r := range keep.Rules {
		fmt.Fprintf(&b, "| %s<br>%s | %s<br>%s | %s<br>%s |\n", r.What.JA, r.What.EN, r.Until.JA, r.Until.EN, r.Why.JA, r.Why.EN)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(there), b.String()); diff != "" {
		t.Errorf("%s is not what the rules say; write it anew with -update\n%s", file, diff)
	}
}

func TestEnd(t *testing.T) {
	const made = "01knfzpn60td2qk7ze0wgytexg" // 2026-04-05 23:30 UTC
	sent := time.Date(2026, time.April, 5, 23, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, partition, sort string
		alerts, want          time.Duration // after sent; 0: without end
	}{
		{"an alert", "alert/" + made, "alert", 0, keep.Alerts},
		{"a family", "alert/" + made + "/class", "family/f", 0, keep.Alerts},
		{"as the operator says", "alert/" + made, "alert", keep.LeastAlerts, keep.LeastAlerts},
		{"a call", "desk/" + made + "/class", "f", 0, keep.Alerts},
		{"a school's list", "school/s/alerts", made, 0, keep.Alerts},
		{"an import", "school/s/imports", made, keep.LeastAlerts, keep.Imports},
		{"figures", "school/s/summaries", made, 0, 0},
		{"no id", "alert/x", "alert", 0, 0},
		{"a family of the roster", "school/s/families", made, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := keep.End(table.Key{Partition: tt.partition, Sort: tt.sort}, tt.alerts)
			if want := sent.Add(tt.want); tt.want == 0 && !got.IsZero() || tt.want != 0 && !got.Equal(want) {
				t.Errorf("ends %v, want %v after %v", got, tt.want, sent)
			}
		})
	}
}
