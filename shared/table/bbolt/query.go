package bbolt

import (
	"bytes"
	"context"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
)

// What one page reads is bounded, so that no query holds the file for long: a
// page ends early rather than grow beyond about 1 MiB (as DynamoDB's do) or step
// over more than MaxPage items that have expired and await Sweep.
const (
	maxPageBytes = 1 << 20
	maxSkipped   = table.MaxPage
)

// Query implements table.Table. A page is a snapshot of one moment.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := table.CheckQuery(q); err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, err
	}
	if q.Limit == 0 || q.Limit > table.MaxPage {
		q.Limit = table.MaxPage
	}
	var page table.Page
	err := t.db.View(func(tx *journal.Tx) (err error) {
		page, err = newScan(tx, q).page(q, t.now().Unix())
		return err
	})
	if err != nil {
		return table.Page{}, fault(err)
	}
	return page, nil
}

// scan walks the keys of [low, high), upwards or downwards.
type scan struct {
	cursor    *journal.Cursor
	low, high []byte
	reverse   bool
}

func newScan(tx *journal.Tx, q table.Query) *scan {
	low := itemKey(table.Key{Partition: q.Partition, Sort: q.Prefix})
	s := &scan{cursor: tx.Bucket(bucketItems).Cursor(), low: low, high: behindPrefix(low), reverse: q.Reverse}
	if q.After == "" {
		return s
	}
	after := itemKey(table.Key{Partition: q.Partition, Sort: q.After})
	if q.Reverse {
		s.high = least(s.high, after)
	} else {
		s.low = most(s.low, append(after, 0)) // the first key behind it: no key holds a NUL
	}
	return s
}

// behindPrefix returns the least key that is greater than all that begin with p.
// p ends in NUL or in UTF-8, so its last byte is never 0xff.
func behindPrefix(p []byte) []byte {
	b := bytes.Clone(p)
	b[len(b)-1]++
	return b
}

func (s *scan) first() (k, v []byte) {
	if !s.reverse {
		return s.within(s.cursor.Seek(s.low))
	}
	if k, _ := s.cursor.Seek(s.high); k == nil {
		return s.within(s.cursor.Last())
	}
	return s.within(s.cursor.Prev())
}

func (s *scan) next() (k, v []byte) {
	if s.reverse {
		return s.within(s.cursor.Prev())
	}
	return s.within(s.cursor.Next())
}

func (s *scan) within(k, v []byte) ([]byte, []byte) {
	if k == nil || bytes.Compare(k, s.low) < 0 || bytes.Compare(k, s.high) >= 0 {
		return nil, nil
	}
	return k, v
}

// page collects the items that live at the second now.
func (s *scan) page(q table.Query, now int64) (table.Page, error) {
	var p table.Page
	size, skipped := 0, 0
	sort := func(k []byte) string { return string(k[len(q.Partition)+1:]) }
	var last []byte
	for k, v := s.first(); k != nil; k, v = s.next() {
		if len(p.Items) == q.Limit || skipped == maxSkipped || size > 0 && size+len(v) > maxPageBytes {
			p.Next = sort(last)
			break
		}
		last = k
		it, err := parse(v)
		if err != nil {
			return table.Page{}, err
		}
		if !it.live(now) {
			skipped++
			continue
		}
		item, err := it.item(table.Key{Partition: q.Partition, Sort: sort(k)})
		if err != nil {
			return table.Page{}, err
		}
		p.Items = append(p.Items, item)
		size += len(v)
	}
	return p, nil
}

func least(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}

func most(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}
