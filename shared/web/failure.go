package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// kind is what a kind of problem is in HTTP, and the heading of its page.
type kind struct {
	status int
	title  lang.Text
}

// wrongMethod is a problem that only HTTP has.
const wrongMethod problem.Kind = "method-not-allowed"

var kinds = map[problem.Kind]kind{
	problem.Invalid:      {http.StatusUnprocessableEntity, lang.T("入力内容を確認してください", "Check what you entered")},
	problem.Unauthorized: {http.StatusUnauthorized, lang.T("サインインしてください", "Please sign in")},
	problem.Forbidden:    {http.StatusForbidden, lang.T("この操作はできません", "You cannot do this")},
	problem.NotFound:     {http.StatusNotFound, lang.T("ページが見つかりません", "Page not found")},
	wrongMethod:          {http.StatusMethodNotAllowed, lang.T("この操作はできません", "This cannot be done here")},
	problem.Conflict:     {http.StatusConflict, lang.T("この操作は受け付けられませんでした", "This could not be done")},
	problem.Gone:         {http.StatusGone, lang.T("受付は終わりました", "This has ended")},
	problem.TooLarge:     {http.StatusRequestEntityTooLarge, lang.T("データが大きすぎます", "That is too large")},
	problem.TooMany:      {http.StatusTooManyRequests, lang.T("しばらくお待ちください", "Please wait a moment")},
	problem.Busy:         {http.StatusServiceUnavailable, lang.T("ただいま混み合っています", "The service is busy")},
	problem.Internal:     {http.StatusInternalServerError, lang.T("問題が発生しました", "Something went wrong")},
}

// BusyRetry is after how long a person or program is asked to try again.
const BusyRetry = 5 * time.Second

var (
	notFound   = problem.New(problem.NotFound, "アドレスが途中で切れていないか確認してください。", "Check that the address was not cut off.")
	notAllowed = problem.New(wrongMethod, "このアドレスでは、その操作はできません。前の画面に戻って、もう一度お試しください。", "This address does not take that request. Go back and try again.")
	tooBusy    = problem.New(problem.Busy, "少し待ってから、もう一度お試しください。入力した内容は、画面を再読み込みすると、もう一度送れます。", "Wait a moment and try again. Reloading the page sends what you entered once more.")
	tooLarge   = problem.New(problem.TooLarge, "送られたデータが大きすぎます。前の画面に戻り、小さくしてからお試しください。", "What was sent is too large. Go back, make it smaller and try again.")
	foreign    = problem.New(problem.Forbidden, "別のサイトから送られた操作のため、受け付けませんでした。このサイトの画面を開いて、もう一度操作してください。", "This came from another site, so it was not accepted. Open the page on this site and try again.")
)

// Problems returns what is to be shown for err: the domain's own words first, then
// what this package knows of bodies, stores and queues.
func (s *Site) Problems(err error) problem.List {
	err = s.cfg.Explain(err)
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		err = tooLarge.Because(err)
	case IsBusy(err) && !problem.Is(err, problem.Busy):
		err = tooBusy.Because(err)
	}
	return problem.Of(err)
}

// Mendable returns what of err the person can do something about in the form, or that will
// pass (problem.List.Mendable); nothing if the rest of err is for the error page, and the log.
func (s *Site) Mendable(err error, also ...problem.Kind) problem.List {
	if err == nil {
		return nil
	}
	if l := s.Problems(err); l.Mendable(also...) {
		return l
	}
	return nil
}

// Status returns the HTTP status of a kind of problem.
func Status(k problem.Kind) int { return kinds[k].status }

// failure is the one place where an error becomes a status, a page or problem
// document, and a line in the log.
func (s *Site) failure(r *http.Request, err error) rendered {
	problems := s.Problems(err)
	k, ok := kinds[problems[0].Kind]
	if !ok {
		k = kinds[problem.Internal]
	}
	s.logFailure(r, k.status, problems[0].Kind, err)
	out, err := s.renderFailure(r, k, problems)
	if err != nil {
		s.cfg.Log.Error("error page failed", "route", r.Pattern, "err", err)
		out = rendered{status: k.status, header: head(nil, "text/html; charset=utf-8"), body: s.lastResort}
	}
	switch k.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		out.header.Set("Retry-After", seconds(BusyRetry))
	case http.StatusUnauthorized:
		out.header.Set("WWW-Authenticate", `Bearer realm="todoku"`)
	}
	return out
}

// logFailure names the route, never the address: addresses hold tokens.
func (s *Site) logFailure(r *http.Request, status int, k problem.Kind, err error) {
	level := slog.LevelInfo
	switch {
	case errors.Is(err, context.Canceled):
		level = slog.LevelDebug // the person went away
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	s.cfg.Log.Log(r.Context(), level, "request failed",
		"method", r.Method, "route", r.Pattern, "status", status, "kind", k, "err", err)
}

func (s *Site) renderFailure(r *http.Request, k kind, problems problem.List) (rendered, error) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return problemDocument(r, k, problems)
	}
	p := Page{Status: k.status, Template: errorPage, Data: &failurePage{Heading: k.title, List: problems}}
	return p.render(s, r)
}

// failurePage is the data of error.html.
type failurePage struct {
	Base
	Heading lang.Text
	List    problem.List
}

// Document is an RFC 9457 problem document.
type Document struct {
	Type   string  `json:"type"` // about:blank: the status says it all (RFC 9457 4.2.1)
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []Fault `json:"errors,omitempty"`
}

// Fault is what is wrong with one member of the input.
type Fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func problemDocument(r *http.Request, k kind, problems problem.List) (rendered, error) {
	l := Language(r)
	doc := Document{Type: "about:blank", Title: k.title.In(l), Status: k.status, Detail: problems[0].Text.In(l)}
	for _, p := range problems {
		if p.Field != "" {
			doc.Errors = append(doc.Errors, Fault{Field: p.Field, Detail: p.Text.In(l)})
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	h := head(nil, "application/problem+json")
	h.Set("Content-Language", string(l))
	return rendered{status: k.status, header: h, body: buf.Bytes()}, err
}

// IsBusy reports whether err is a store or queue that may do the same later.
func IsBusy(err error) bool {
	return errors.Is(err, table.ErrBusy) || errors.Is(err, queue.ErrBusy) || problem.Is(err, problem.Busy)
}
