package alert

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/table"
)

// Reply is a guardian's mail to an alert that says nothing that could be counted: staff
// read it.
//
//	alert/<id>   reply/<family>/<name of the mail>    a Reply
type Reply struct {
	Family   string    `json:"f"`
	Class    string    `json:"c"` // where the family's record is
	Classes  []string  `json:"cs,omitempty"`
	Guardian string    `json:"g"`
	Name     string    `json:"n,omitempty"`  // of the guardian
	Children []string  `json:"ch,omitempty"` // names
	Text     string    `json:"t"`
	Why      Why       `json:"w"`
	At       time.Time `json:"at"`
}

// Why says why a reply is for staff to read.
type Why string

// The reasons.
const (
	Unclear Why = "unclear"
	Late    Why = "late"  // it answers, but the alert is over
	Older   Why = "older" // it answers, but something was said since
)

const (
	replyPrefix = "reply/"
	// maxReply is the longest text of a reply that is kept, in bytes.
	maxReply = 2000
	// MaxReplies is how many replies of one family to one alert are kept.
	MaxReplies = 20
)

// KeepReply keeps a reply under the mail's name, and reports whether it is new.
func (s *Store) KeepReply(ctx context.Context, alert, name string, r Reply) (news bool, err error) {
	prefix := replyPrefix + r.Family + "/"
	page, err := s.Table.Query(ctx, table.Query{Partition: partition(alert), Prefix: prefix, Limit: MaxReplies})
	if err != nil || len(page.Items) >= MaxReplies {
		return false, err
	}
	r.At = s.Now().UTC()
	for len(r.Text) > maxReply || !utf8.ValidString(r.Text) {
		r.Text = r.Text[:min(len(r.Text)-1, maxReply)]
	}
	err = s.Table.Write(ctx, "", table.Create{Key: table.Key{Partition: partition(alert), Sort: prefix + name}, Value: table.Encode(r)})
	if _, known := table.Conflict(err); known {
		return false, nil
	}
	return err == nil, err
}

// Replies returns the replies to an alert that staff are to read, of at most limit
// mails; more says that there are others.
func (s *Store) Replies(ctx context.Context, alert string, limit int) (replies []Reply, more bool, err error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: partition(alert), Prefix: replyPrefix, Limit: limit})
	if err != nil {
		return nil, false, err
	}
	for _, item := range page.Items {
		var r Reply
		if err := json.Unmarshal(item.Value, &r); err != nil {
			return nil, false, err
		}
		replies = append(replies, r)
	}
	return replies, page.Next != "", nil
}

// TakeReply returns the op that notes that a mail was taken, and whether it was before.
func (s *Store) TakeReply(ctx context.Context, ref Ref, name string) (op table.Op, known bool, err error) {
	key := table.Key{Partition: classPartition(ref.Alert, ref.Class), Sort: "taken/" + ref.Family + "/" + name}
	_, err = s.item(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return table.Create{Key: key, Value: []byte("{}")}, false, nil
	}
	return nil, err == nil, err
}
