package drill

import (
	"strings"

	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/table"
)

// items reads the whole store.
func (d *Drill) items() (items []table.Item) {
	d.Helper()
	if err := d.Items(func(it table.Item) error { items = append(items, it); return nil }); err != nil {
		d.Fatal(err)
	}
	return items
}

// ruled holds every item of the store to the rule of what is kept for how long.
func (d *Drill) ruled() {
	d.Helper()
	for _, it := range d.items() {
		r, ok := keep.Of(it.Partition)
		if !ok {
			d.Errorf("no rule of package keep says how long %q is kept", it.Key)
			continue
		}
		if it.Counts != nil || r.Most == 0 {
			continue // numbers; or what somebody removes
		}
		if left := it.Expires.Sub(d.Clock.Now()); it.Expires.IsZero() || left > r.Most {
			d.Errorf("%q ends at %v, and should in at most %v: %s", it.Key, it.Expires, r.Most, r.What.EN)
		}
	}
}

// holding returns the keys of the items in which a word stands.
func holding(items []table.Item, word string) (keys []string) {
	for _, it := range items {
		if strings.Contains(string(it.Value), word) || strings.Contains(it.Key.String(), word) {
			keys = append(keys, it.Key.String())
		}
	}
	return keys
}
