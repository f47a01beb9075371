// Package audit keeps who did what to whom, when, and from which session. What was
// written cannot be edited: there is no code that replaces or deletes an entry, and
// each entry carries the hash of the one before, so that a change made behind this
// program's back shows (Verify).
//
// One chain would make everybody wait for everybody: a school has one for each day
// and strand, and a session writes to one strand. An entry's place in its chain is
// its key, so of two writers at the same place one is told and takes the next. When
// a day is over it is sealed: its heads are written down in one more chain, of the
// school's days, so that the end of a day cannot be cut off either, nor a day left
// out. See docs/decisions/0023-audit.md for what this shows and what it cannot.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/table"
)

// Keep is how long an entry is kept: past the school year after the one in which
// it was written, so that what is disputed in spring can be looked up.
const Keep = 2 * 366 * 24 * time.Hour

// Strands is how many chains a school's day has.
const Strands = 8

// Kind is what was done.
type Kind string

// The kinds of entry.
const (
	SignIn       Kind = "sign-in"
	SignOut      Kind = "sign-out"
	Session      Kind = "session" // one of one's sessions was ended
	Key          Kind = "key"     // a passkey was added or removed
	Link         Kind = "link"    // a sign-in link was asked for or made
	Send         Kind = "send"
	Undo         Kind = "undo"
	Close        Kind = "close"
	Note         Kind = "note"
	BreakGlass   Kind = "break-glass"
	RosterChange Kind = "roster-change"
	RosterExport Kind = "roster-export"
	AlertExport  Kind = "alert-export"
	AuditExport  Kind = "audit-export"
	Invite       Kind = "invite" // guardians, by mail or paper
	View         Kind = "view"   // personal data in bulk
	People       Kind = "people"
	Token        Kind = "token"
	Settings     Kind = "settings"
	Call         Kind = "call" // at the call desk: a family taken in hand, handed over, phoned
	Gate         Kind = "gate" // a child was seen by staff, or that was taken back
)

// Kinds are all kinds.
var Kinds = []Kind{
	SignIn, SignOut, Session, Key, Link, Send, Undo, Close, Note, BreakGlass, RosterChange, RosterExport,
	AlertExport, AuditExport, Invite, View, People, Token, Settings, Call, Gate,
}

// Entry is one thing that was done, or tried. It is written before the thing is
// done, so that nothing is done unrecorded; if it then fails, another entry says
// so (Failed).
//
// Its JSON is what is hashed. New fields must be omitted when empty, or the entries
// of yesterday no longer fit their hashes.
type Entry struct {
	School string    `json:"school"`
	Day    string    `json:"day"` // of At, in UTC: 2006-01-02
	Strand int       `json:"strand"`
	Seq    int64     `json:"seq"` // in its strand, from 1
	At     time.Time `json:"at"`
	Kind   Kind      `json:"kind"`
	Staff  string    `json:"staff,omitempty"` // id; "": a program of the school itself
	Name   string    `json:"name,omitempty"`  // as it was then
	Role   string    `json:"role,omitempty"`  // as it was then
	Via    string    `json:"via,omitempty"`   // id of the session or API token
	What   string    `json:"what,omitempty"`  // ids of what it was done to
	Said   string    `json:"said,omitempty"`  // in words: whom, how many
	Failed string    `json:"failed,omitempty"`
	Prev   string    `json:"prev,omitempty"` // hash of the entry before; "": the first
	Hash   string    `json:"hash,omitempty"`
}

// Place says where an entry stands, to be looked up again.
func (e Entry) Place() string { return fmt.Sprintf("%s %d/%d", e.Day, e.Strand, e.Seq) }

// sum returns the hash of an entry's content and of the one before it.
func (e Entry) sum() string {
	e.Hash = ""
	b := sha256.Sum256(table.Encode(e))
	return hex.EncodeToString(b[:])
}

// Log keeps entries in a table:
//
//	audit/<school>/<day>   <strand>/<seq>   an Entry
//	audit/<school>         <day>            a Seal
type Log struct {
	Table table.Table
	Now   func() time.Time
}

const dayFormat = "2006-01-02"

func dayPartition(school, day string) string { return "audit/" + school + "/" + day }

func entryKey(school, day string, strand int, seq int64) table.Key {
	return table.Key{Partition: dayPartition(school, day), Sort: fmt.Sprintf("%d/%010d", strand, seq)}
}

// addTries bounds how often a place is taken before an entry finds one. Only
// requests of sessions that share a strand meet there.
const addTries = 30

// Add appends an entry; its School, Kind and whatever says who and what are the
// caller's, the rest is set here. It fails with table.ErrBusy if nothing is known
// to be written; the thing must then not be done.
func (l *Log) Add(ctx context.Context, e Entry) (Entry, error) {
	e.At = l.Now().UTC().Truncate(time.Millisecond)
	e.Day = e.At.Format(dayFormat)
	e.Strand = strandOf(e.Via + e.Staff)
	var err error
	for range addTries {
		e, err = l.append(ctx, e)
		_, taken := table.Conflict(err)
		if !taken && !errors.Is(err, table.ErrBusy) {
			return e, err
		}
	}
	if _, taken := table.Conflict(err); taken {
		err = table.ErrBusy
	}
	return e, err
}

// strandOf spreads sessions over the strands.
func strandOf(session string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(session)) // never fails
	return int(h.Sum32() % Strands)
}

// append takes the next place of the entry's strand.
func (l *Log) append(ctx context.Context, e Entry) (Entry, error) {
	q := table.Query{Partition: dayPartition(e.School, e.Day), Prefix: fmt.Sprintf("%d/", e.Strand), Reverse: true, Limit: 1}
	page, err := l.Table.Query(ctx, q)
	if err != nil {
		return e, err
	}
	e.Seq, e.Prev = 1, ""
	if len(page.Items) > 0 {
		var last Entry
		if err := json.Unmarshal(page.Items[0].Value, &last); err != nil {
			return e, fmt.Errorf("audit: the entry %s cannot be read: %w", page.Items[0].Key, err)
		}
		e.Seq, e.Prev = last.Seq+1, last.Hash
	}
	e.Hash = e.sum()
	key := entryKey(e.School, e.Day, e.Strand, e.Seq)
	return e, l.Table.Write(ctx, "", table.Create{Key: key, Value: table.Encode(e), Expires: e.At.Add(Keep)})
}

// Once is Add for what is done again and again, such as a list that a page loads
// anew every few seconds: of the same kind, session and thing it writes one entry
// in every.
func (l *Log) Once(ctx context.Context, e Entry, every time.Duration) error {
	span := l.Now().UTC().Truncate(every)
	sum := sha256.Sum256([]byte(strings.Join([]string{e.School, string(e.Kind), e.Via, e.Staff, e.What, span.String()}, "\x00")))
	seen := table.Key{Partition: "audit-seen/" + hex.EncodeToString(sum[:]), Sort: "seen"}
	if _, err := l.Table.Get(ctx, seen); !errors.Is(err, table.ErrNotFound) {
		return err // seen, or the store is away
	}
	if _, err := l.Add(ctx, e); err != nil {
		return err
	}
	return table.IgnoreConflict(l.Table.Write(ctx, "", table.Create{Key: seen, Expires: span.Add(every + time.Second)}))
}

// Day reads the entries of a school's day (2006-01-02, in UTC), oldest first.
func (l *Log) Day(ctx context.Context, school, day string) ([]Entry, error) {
	entries, _, err := l.day(ctx, school, day)
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.At.Compare(b.At) })
	return entries, err
}

// day reads a day in the order of its keys, and what is wrong with what stands
// there.
func (l *Log) day(ctx context.Context, school, day string) (entries []Entry, faults []Fault, err error) {
	for item, err := range table.Items(ctx, l.Table, table.Query{Partition: dayPartition(school, day)}) {
		if err != nil {
			return nil, nil, err
		}
		var e Entry
		if err := json.Unmarshal(item.Value, &e); err != nil {
			faults = append(faults, Fault{Day: day, At: item.Sort, Why: lang.T("読めません", "cannot be read")})
			continue
		}
		if item.Key != entryKey(e.School, e.Day, e.Strand, e.Seq) || item.Revision != 1 {
			faults = append(faults, Fault{Day: day, At: item.Sort, Why: lang.T("書き換えられたか、移されています", "was changed or moved")})
		}
		entries = append(entries, e)
	}
	return entries, faults, nil
}
