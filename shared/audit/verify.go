package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/table"
)

// Head is where a strand stood when its day was sealed.
type Head struct {
	N    int64  `json:"n"`
	Hash string `json:"hash"`
}

// Seal says how a day ended. Seals are a chain of their own, without gaps.
type Seal struct {
	School string          `json:"school"`
	Day    string          `json:"day"`
	Heads  map[string]Head `json:"heads"` // by strand; none: nothing was done
	Prev   string          `json:"prev,omitempty"`
	Hash   string          `json:"hash,omitempty"`
}

func (s Seal) sum() string {
	s.Hash = ""
	b := sha256.Sum256(table.Encode(s)) // encoding/json writes maps in the order of their keys
	return hex.EncodeToString(b[:])
}

func sealKey(school, day string) table.Key {
	return table.Key{Partition: "audit/" + school, Sort: day}
}

// sealAfter is how long after its end a day is sealed: longer than any request that
// began on it can last, and than clocks can differ.
const sealAfter = time.Hour

// sealsAtOnce bounds what one call does after a machine was off for long.
const sealsAtOnce = 400

// SealDays seals the days of a school that are over. It may be called as often as
// one likes, and from several sides at once.
func (l *Log) SealDays(ctx context.Context, school string) error {
	newest := l.Now().UTC().Add(-sealAfter).AddDate(0, 0, -1).Format(dayFormat)
	for range sealsAtOnce {
		last, err := l.LastSeal(ctx, school)
		if err != nil {
			return err
		}
		day := newest // the first of a school: there is nothing before
		if last.Day != "" {
			day = next(last.Day)
		}
		if day > newest {
			return nil
		}
		err = l.seal(ctx, school, day, last.Hash)
		if table.IgnoreConflict(err) != nil {
			return err
		}
	}
	return nil
}

func next(day string) string {
	t, err := time.Parse(dayFormat, day)
	if err != nil {
		return "9999-12-31" // not a day of ours: nothing comes after it
	}
	return t.AddDate(0, 0, 1).Format(dayFormat)
}

func (l *Log) seal(ctx context.Context, school, day, prev string) error {
	entries, _, err := l.day(ctx, school, day)
	if err != nil {
		return err
	}
	s := Seal{School: school, Day: day, Heads: heads(entries), Prev: prev}
	s.Hash = s.sum()
	return l.Table.Write(ctx, "", table.Create{Key: sealKey(school, day), Value: table.Encode(s), Expires: l.Now().UTC().Add(Keep)})
}

// heads returns the last entry of each strand.
func heads(entries []Entry) map[string]Head {
	h := map[string]Head{}
	for _, e := range entries {
		name := strconv.Itoa(e.Strand)
		if e.Seq > h[name].N {
			h[name] = Head{N: e.Seq, Hash: e.Hash}
		}
	}
	return h
}

// LastSeal returns a school's newest seal, the zero Seal if it has none. Who keeps
// its Hash elsewhere, on paper for example, can tell later that nothing before it
// was rewritten, whoever holds the database.
func (l *Log) LastSeal(ctx context.Context, school string) (Seal, error) {
	page, err := l.Table.Query(ctx, table.Query{Partition: sealKey(school, "").Partition, Reverse: true, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return Seal{}, err
	}
	var s Seal
	err = json.Unmarshal(page.Items[0].Value, &s)
	return s, err
}

// Fault is something that does not fit. Its words are for whoever looks into it.
type Fault struct {
	Day string // 2006-01-02
	At  string // strand/seq; "": the day as a whole
	Why lang.Text
}

// Text says where it is, and what.
func (f Fault) Text() lang.Text {
	where := strings.TrimSpace(f.Day + " " + f.At)
	return lang.Text{JA: where + "：" + f.Why.JA, EN: where + ": " + f.Why.EN}
}

// Report says what Verify looked at.
type Report struct {
	School  string
	Days    int // sealed
	Entries int
	Faults  []Fault
	Last    Seal
}

// Verify reads everything that is kept of a school and reports what was changed,
// removed or put in.
func (l *Log) Verify(ctx context.Context, school string) (Report, error) {
	r := Report{School: school}
	for item, err := range table.Items(ctx, l.Table, table.Query{Partition: sealKey(school, "").Partition}) {
		if err != nil {
			return r, err
		}
		if err := l.verifySeal(ctx, &r, item); err != nil {
			return r, err
		}
	}
	err := l.verifyOpen(ctx, &r)
	return r, err
}

func (l *Log) verifySeal(ctx context.Context, r *Report, item table.Item) error {
	var s Seal
	if err := json.Unmarshal(item.Value, &s); err != nil {
		r.fault(item.Sort, "", lang.T("封印が読めません", "its seal cannot be read"))
		return nil
	}
	switch {
	case s.Hash != s.sum() || item.Key != sealKey(r.School, s.Day) || s.School != r.School:
		r.fault(item.Sort, "", lang.T("封印が書き換えられています", "its seal was changed"))
	case r.Last.Day != "" && (s.Prev != r.Last.Hash || s.Day != next(r.Last.Day)):
		r.fault(s.Day, "", lang.T("封印が、%sの封印に続いていません", "its seal does not follow that of %s", r.Last.Day))
	}
	r.Last = s
	r.Days++
	return l.verifyDay(ctx, r, s.Day, s.Heads)
}

// verifyOpen looks at the days that are not sealed yet.
func (l *Log) verifyOpen(ctx context.Context, r *Report) error {
	today := l.Now().UTC().Format(dayFormat)
	day := r.Last.Day
	if day == "" {
		day = l.Now().UTC().AddDate(0, 0, -3).Format(dayFormat) // the first seal comes within two days
	}
	for day = next(day); day <= today; day = next(day) {
		if err := l.verifyDay(ctx, r, day, nil); err != nil {
			return err
		}
	}
	return nil
}

// VerifyDay reports what does not fit on one day.
func (l *Log) VerifyDay(ctx context.Context, school, day string) ([]Fault, error) {
	r := Report{School: school}
	item, err := l.Table.Get(ctx, sealKey(school, day))
	switch {
	case errors.Is(err, table.ErrNotFound):
		err = l.verifyDay(ctx, &r, day, nil)
	case err == nil:
		err = l.verifySeal(ctx, &r, item)
	}
	return r.Faults, err
}

// verifyDay follows the chains of a day to their heads; sealed is nil before the
// day is.
func (l *Log) verifyDay(ctx context.Context, r *Report, day string, sealed map[string]Head) error {
	entries, faults, err := l.day(ctx, r.School, day)
	if err != nil {
		return err
	}
	r.Entries += len(entries)
	r.Faults = append(r.Faults, faults...)
	var last Entry
	for _, e := range entries {
		if e.Strand != last.Strand || last.Day == "" {
			last = Entry{Strand: e.Strand}
		}
		at := fmt.Sprintf("%d/%d", e.Strand, e.Seq)
		switch {
		case e.Hash != e.sum():
			r.fault(day, at, lang.T("書き換えられています", "was changed"))
		case e.Seq != last.Seq+1:
			r.fault(day, at, lang.T("%d番に続いています。間の記録がありません", "follows %d: what was between is gone", last.Seq))
		case e.Prev != last.Hash:
			r.fault(day, at, lang.T("前の記録に続いていません", "does not follow the entry before"))
		}
		last = e
	}
	if sealed == nil {
		return nil
	}
	found := heads(entries)
	for strand := range Strands {
		name := strconv.Itoa(strand)
		if found[name] != sealed[name] {
			r.fault(day, name, lang.T("%d番で終わっていますが、封印は%d番までです", "ends at %d, and the day was sealed at %d", found[name].N, sealed[name].N))
		}
	}
	return nil
}

func (r *Report) fault(day, at string, why lang.Text) {
	r.Faults = append(r.Faults, Fault{Day: day, At: at, Why: why})
}
