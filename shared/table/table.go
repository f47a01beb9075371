// Package table is the port to durable storage: one table of small items that
// are read by key, queried by a prefix of the sort key, and written all or
// nothing.
//
// The port is this small so that a file on one machine (bbolt) and DynamoDB can
// keep the same promises; package tabletest says them as an executable suite
// that every adapter passes. There is no secondary index: a second way to an
// item is a second item in the same write.
//
// The limits are DynamoDB's, or a little less where an adapter needs room for its
// own attributes. Every adapter enforces them, so that what works on one machine
// works on AWS:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
package table

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of every adapter. Beyond them a call fails with ErrInvalid and nothing
// is read or written.
const (
	MaxOps            = 100              // ops in one Write, at least 1; a token counts as one more
	MaxPartitionBytes = 2048             // length of Key.Partition, at least 1
	MaxSortBytes      = 1024             // length of Key.Sort, at least 1
	MaxItemBytes      = 390 << 10        // key and value together; DynamoDB's 400 KiB less the adapter's own attributes
	MaxWriteBytes     = 4<<20 - 128<<10  // Size of all ops of one Write; DynamoDB's 4 MiB less the adapter's own attributes
	MaxPage           = 1000             // items in one Page; a Query that asks for more, or for 0, gets at most this many
	MaxCounts         = 50               // fields of one Add, at least 1
	MaxFieldBytes     = 255              // length of the name of a field, at least 1
	MaxDelta          = 1 << 53          // the most that one Add adds to a field or takes from it
	MaxTokenBytes     = 36               // length of a token
	TokenLife         = 10 * time.Minute // how long a token is remembered
)

// Key names one item. Both parts are valid UTF-8 without NUL. Keys order by the
// bytes of Sort within a Partition, which is Go's order of strings (and not that
// of UTF-16); there is no order among partitions.
type Key struct {
	Partition string
	Sort      string
}

func (k Key) String() string { return k.Partition + " " + k.Sort }

// Item is a stored item. It is either a record, with a Value, or a counter, with
// Counts; an op of one kind on an item of the other fails with a ConflictError.
type Item struct {
	Key
	// Revision is 1 after Create and grows by 1 with each Replace. Of a counter
	// it is always 0.
	Revision int64
	// Value belongs to the caller. An empty value may be read back as nil.
	Value []byte
	// Counts belongs to the caller. A field that was ever added to is there, even
	// at 0. The names of a counter's fields are valid UTF-8 without NUL; keep them
	// few (about MaxCounts), for they are stored and read as one item.
	Counts map[string]int64
	// Expires is when the item ceases to exist, in UTC and whole seconds (a
	// fraction is dropped) after 1970 and before the year 10000; zero is never. At
	// that second and after it no read returns the item and no op finds it, even
	// though the bytes may be removed much later.
	Expires time.Time
}

// Table stores items. Its methods are safe for concurrent use.
//
// Every method can fail with an error matching ErrBusy (nothing was done or, for
// a Write, possibly all of it; try again, with a token if twice would be wrong),
// ErrInvalid (the call is outside the limits; trying again is useless) or the
// context's error (of a Write: possibly all of it was done, unless the context
// had ended before the call). Any other error is a fault of the store and is not
// worth retrying at once. After a full disk, the most likely of them, a Write has
// written nothing. No Write is ever applied in part.
type Table interface {
	// Get reads one item, and sees every Write that returned before it was
	// called. It fails with ErrNotFound if there is no such item.
	Get(ctx context.Context, key Key) (Item, error)

	// GetMany reads items as Get does, in less time than one after the other and at the
	// same price: the nth is that of the nth key, and the zero Item if there is none. It
	// is no snapshot. More than MaxOps keys are ErrInvalid; none is no item.
	GetMany(ctx context.Context, keys ...Key) ([]Item, error)

	// Query reads items of one partition in the order of their sort keys. It sees
	// every Write that returned before it was called, but one page is not a
	// snapshot: of a Write that runs at the same time it may see a part. Between
	// two pages others may write: an item that exists all the while is returned
	// exactly once.
	Query(ctx context.Context, q Query) (Page, error)

	// Write applies all ops or none of them. No two ops may name the same key
	// (ErrInvalid). If conditions of ops do not hold it fails with a
	// *ConflictError that names them all.
	//
	// token is empty, or names this write: the same token with the same ops within
	// TokenLife after a success does nothing and succeeds, so a Write whose
	// outcome is unknown can be repeated safely. The same token with other ops
	// is ErrInvalid; "the same" is what Digest says. A Write that failed does not
	// use up its token, and a second after TokenLife the token is as new.
	Write(ctx context.Context, token string, ops ...Op) error
}

// Query asks for the items of Partition whose sort key begins with Prefix (empty:
// all) and comes after After (empty: from the start; After need not exist, nor
// begin with Prefix). Limit is the most items wanted, 0 or more than MaxPage
// meaning MaxPage. Reverse asks for descending order; "after" then means before.
type Query struct {
	Partition string
	Prefix    string
	After     string
	Limit     int
	Reverse   bool
}

// Page is the answer to a Query. If Next is not empty there may be more items:
// put it in Query.After to go on. A page can be shorter than asked for, even
// empty, and still have a Next. Next need not be the key of an item.
type Page struct {
	Items []Item
	Next  string
}

// Op is one of Create, Replace, Delete, Check, CheckAbsent or Add, by value;
// anything else is ErrInvalid.
type Op interface{ OpKey() Key }

type (
	// Create writes a record with revision 1. It conflicts if the item exists.
	Create struct {
		Key
		Value   []byte
		Expires time.Time
	}
	// Replace writes a record anew with Revision+1. It conflicts unless the item
	// is a record of exactly this Revision.
	Replace struct {
		Key
		Revision int64
		Value    []byte
		Expires  time.Time
	}
	// Delete removes a record. It conflicts unless the item is a record of exactly
	// this Revision.
	Delete struct {
		Key
		Revision int64
	}
	// Check conflicts unless the item is a record of exactly this Revision; it
	// writes nothing.
	Check struct {
		Key
		Revision int64
	}
	// CheckAbsent conflicts if the item exists; it writes nothing.
	CheckAbsent struct{ Key }
	// Add adds to the fields of a counter, which comes into being with the first
	// Add; an absent field is 0. It conflicts if any field would become negative,
	// or if the item is a record. A counter never expires and cannot be deleted.
	Add struct {
		Key
		Deltas map[string]int64
	}
)

// OpKey returns the key of the item that the op concerns.
func (k Key) OpKey() Key { return k }

// Errors of every adapter, to be tested with errors.Is.
var (
	ErrNotFound = errors.New("table: no such item")
	ErrBusy     = errors.New("table: busy, try again")
	ErrInvalid  = errors.New("table: invalid call")
)

// ConflictError says which ops of a Write kept it from being applied.
type ConflictError struct {
	Ops []int // indexes into the ops of the Write, ascending
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("table: the conditions of ops %v do not hold", e.Ops)
}

// Conflict returns the indexes of the failing ops if err is a *ConflictError.
func Conflict(err error) ([]int, bool) {
	var c *ConflictError
	if !errors.As(err, &c) {
		return nil, false
	}
	return c.Ops, true
}

// Checker proves that the store works: CheckHealth writes, reads back and deletes
// an item. Every adapter is one. It may be called from several sides at once.
type Checker interface {
	CheckHealth(ctx context.Context) error
}

// Walker is a Table of which everything can be read, by operators who move it
// elsewhere. Every adapter is one.
type Walker interface {
	// Walk calls f for each item, in any order, until f fails. An item that exists all
	// the while is met exactly once; of what is written meanwhile it sees a part.
	Walk(ctx context.Context, f func(Item) error) error
}
