// Package problem holds errors for two audiences: a kind and a sentence for the
// person, a wrapped cause for the log. One place (package web) turns them into a
// status, a page or an RFC 9457 document, and a log line.
package problem

import (
	"errors"
	"slices"

	"github.com/todoku/todoku/shared/lang"
)

// Kind says what went wrong in terms of what the person can do about it.
type Kind string

// The kinds of problem.
const (
	Invalid      Kind = "invalid"      // correct the input: 422
	Unauthorized Kind = "unauthorized" // sign in: 401
	Forbidden    Kind = "forbidden"    // not yours: 403
	NotFound     Kind = "not-found"    // 404
	Conflict     Kind = "conflict"     // somebody else was faster, or it is too late: 409
	Gone         Kind = "gone"         // it was there, and has ended: 410
	TooLarge     Kind = "too-large"    // 413
	TooMany      Kind = "too-many"     // wait: 429
	Busy         Kind = "busy"         // try again: 503
	Internal     Kind = "internal"     // our fault: 500
)

// Error is a problem that can be shown to a person.
type Error struct {
	Kind  Kind
	Text  lang.Text
	Field string // the form field or JSON member it is about; "" if none
	Err   error  `json:"-"` // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Kind) + ": " + e.Text.EN
	}
	return string(e.Kind) + ": " + e.Text.EN + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// New returns a problem with the sentence in both languages; with args both are
// formats.
func New(kind Kind, ja, en string, args ...any) *Error {
	return &Error{Kind: kind, Text: lang.T(ja, en, args...)}
}

// In returns a copy of e that is about the named field.
func (e *Error) In(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// Because returns a copy of e with a cause for the log.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// List is several problems with one input, found in one pass.
type List []*Error

func (l List) Error() string {
	s := "several problems"
	for _, e := range l {
		s += "; " + e.Error()
	}
	return s
}

// Mendable reports whether the form from which l came is shown again: its person can do
// something about it, or it will pass. also are the kinds that a form explains besides.
// Others are for the error page, and the log.
func (l List) Mendable(also ...Kind) bool {
	return len(l) > 0 && slices.Contains(append(also, Invalid, Conflict, Gone, TooLarge, TooMany, Busy), l[0].Kind)
}

// Of returns the problems in err: those of a List, the one that it wraps, or, if
// it is none, an Internal one with err as its cause.
func Of(err error) List {
	var l List
	if errors.As(err, &l) {
		return l
	}
	var e *Error
	if errors.As(err, &e) {
		return List{e}
	}
	return List{New(Internal, "システムで問題が起きました。もう一度お試しください。", "Something went wrong in the system. Please try again.").Because(err)}
}

// Is reports whether err holds a problem of the kind.
func Is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
