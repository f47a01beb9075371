package console

import (
	_ "embed"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const apiPath = "/api/v1"

// maxJSON is the most bytes of a JSON body: the largest alert, with every
// character escaped and 5,000 groups named, stays below.
const maxJSON = 512 << 10

// endpoint is one operation of the API. openapi.json describes each; a test
// holds the two lists against each other.
type endpoint struct {
	method string
	path   string // below apiPath, as http.ServeMux reads it
	json   bool   // the body must be JSON
	action access.Action
	do     staffHandler
	pageOptions
}

// with returns the endpoint with something out of the ordinary about it, as for
// pages.
func (e endpoint) with(options ...pageOption) endpoint {
	for _, set := range options {
		set(&e.pageOptions)
	}
	return e
}

func (s *Server) endpoints() []endpoint {
	return []endpoint{
		endpoint{method: "POST", path: "/roster", action: access.Roster, do: s.apiPostRoster}.with(upTo(s.maxSheet()+web.MaxForm), recordsItself()),
		endpoint{method: "GET", path: "/roster", action: access.Roster, do: s.apiGetRoster}.with(records(audit.RosterExport)),
		endpoint{method: "POST", path: "/roster/turns", action: access.Roster, do: s.apiPostTurn}.with(upTo(s.maxSheet()+web.MaxForm), changesNothing()),
		endpoint{method: "GET", path: "/roster/turns/{id}", action: access.Roster, do: s.apiGetTurn}.with(records(audit.View)),
		endpoint{method: "POST", path: "/roster/turns/{id}/confirm", json: true, action: access.Roster, do: s.apiConfirmTurn}.with(upTo(web.MaxForm), recordsItself()),
		endpoint{method: "POST", path: "/roster/turns/{id}/undo", action: access.Roster, do: s.apiUndoTurn}.with(upTo(web.MaxForm), recordsItself()),
		{method: "GET", path: "/groups", action: access.Frame, do: s.apiGetGroups},
		endpoint{method: "GET", path: "/district/schools", action: access.Overview, do: s.apiGetSchools}.with(on(undecided)),
		endpoint{method: "POST", path: "/district/alerts", json: true, action: access.Overview, do: s.apiPostDistrictAlert}.with(upTo(maxJSON), on(undecided), recordsItself()),
		endpoint{method: "GET", path: "/alerts", action: access.SeeAlert, do: s.apiGetAlerts}.with(on(undecided)),
		endpoint{method: "POST", path: "/alerts", json: true, action: access.Send, do: s.apiPostAlert}.with(upTo(maxJSON), on(undecided), recordsItself()),
		endpoint{method: "GET", path: "/alerts/{id}", action: access.SeeAlert, do: s.apiGetAlert}.with(on(theAlert)),
		endpoint{method: "GET", path: "/alerts/{id}/children", action: access.Children, do: s.apiGetChildren}.with(on(theAlert), records(audit.View)),
		endpoint{method: "POST", path: "/alerts/{id}/close", action: access.End, do: s.apiCloseAlert}.with(upTo(web.MaxForm), on(theAlert), records(audit.Close)),
		endpoint{method: "POST", path: "/alerts/{id}/undo", action: access.End, do: s.apiUndoAlert}.with(upTo(web.MaxForm), on(theAlert), records(audit.Undo)),
	}
}

func (s *Server) apiRoutes(rt *routes) {
	for _, e := range s.endpoints() {
		rt.call(e)
	}
	rt.open("GET "+apiPath+"/openapi.json", getOpenAPI)
}

//go:embed openapi.json
var openAPI []byte

func getOpenAPI(*http.Request) (web.Response, error) {
	return web.JSON{Value: json.RawMessage(openAPI)}, nil
}

// bearer returns h for programs that send an API token: they act with the rights
// of a member of staff. A session's cookie is not enough: no page can make a browser
// use the API.
func (s *Server) bearer(h staffHandler) web.Handler {
	return func(r *http.Request) (web.Response, error) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, staff.ErrToken
		}
		me, err := s.Staff.ByToken(r.Context(), strings.TrimSpace(token))
		if err != nil {
			return nil, err
		}
		return h(r, me)
	}
}

// jsonOnly refuses bodies that say that they are something else. A body without a
// type is taken at its word later (RFC 9110, 8.3).
func jsonOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := r.Header.Get("Content-Type")
		media, _, err := mime.ParseMediaType(t)
		if t == "" || err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
			next.ServeHTTP(w, r)
			return
		}
		notJSON(w, r)
	})
}

// notJSON answers 415, a status that no problem.Kind has: it concerns HTTP alone.
func notJSON(w http.ResponseWriter, r *http.Request) {
	l := web.Language(r)
	doc := web.Document{
		Type: "about:blank", Status: http.StatusUnsupportedMediaType,
		Title:  map[bool]string{true: "Unsupported media type", false: "対応していない形式です"}[l == "en"],
		Detail: onlyJSON.In(l),
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Language", string(l))
	w.Header().Set("Accept-Post", "application/json")
	w.WriteHeader(doc.Status)
	_ = json.NewEncoder(w).Encode(doc) // who has gone misses only an error
}

// queryInt returns a number from the query, or fallback if it is not there.
func queryInt(r *http.Request, name string, fallback, least, most int) (int, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, problem.New(problem.Invalid, "「%[1]s」には%[2]dから%[3]dまでの整数を指定してください。", "Give %[1]s as a whole number from %[2]d to %[3]d.", name, least, most).In(name)
	}
	return n, nil
}

// queryBool returns a yes or no from the query; what is not there is no.
func queryBool(r *http.Request, name string) (bool, error) {
	switch r.URL.Query().Get(name) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, problem.New(problem.Invalid, "「%s」には 1 か 0 を指定してください。", "Give %s as 1 or 0.", name).In(name)
}

// joined tells the errors of queries all at once.
func joined(errs ...error) error {
	var l problem.List
	for _, err := range errs {
		var e *problem.Error
		if errors.As(err, &e) {
			l = append(l, e)
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l
}
