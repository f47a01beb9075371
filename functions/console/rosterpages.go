package console

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io"
	"net/http"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// rosterPages are the pages of the roster.
type rosterPages struct {
	*Server
	imports *imports.Worker
}

func (s *Server) rosterPages() *rosterPages {
	return &rosterPages{Server: s, imports: imports.NewWorker(s.Roster, s.Hosts, s.Now, s.Log)}
}

func (s *Server) rosterRoutes(rt *routes) {
	p := s.rosterPages()
	rt.page("GET /roster", access.Roster, p.overview)
	rt.page("POST /roster/imports", access.Roster, p.upload, upTo(s.maxSheet()+web.MaxForm), changesNothing())
	rt.page("GET "+turnPath, access.Roster, p.turnStart)
	rt.page("POST /roster/imports/{id}/undo", access.Roster, p.undoTurn, recordsItself())
	rt.page("GET /roster/imports/{id}", access.Roster, p.show)
	rt.page("POST /roster/imports/{id}/columns", access.Roster, p.nameColumns, changesNothing())
	rt.page("POST /roster/imports/{id}/confirm", access.Roster, p.confirm, recordsItself())
	rt.page("POST /roster/imports/{id}/cancel", access.Roster, p.cancel, changesNothing())
	rt.page("GET /roster/imports/{id}/rejected.csv", access.Roster, p.rejected, records(audit.RosterExport), asksAnew("/roster"))
	rt.page("GET /roster/export.csv", access.Roster, p.export, records(audit.RosterExport), asksAnew("/roster"))
	rt.page("GET /roster/sample.csv", access.Roster, p.sample)
}

func importPath(importID string) string { return "/roster/imports/" + importID }

// rosterPage is the data of roster.html.
type rosterPage struct {
	web.Base
	Classes  []roster.Group
	Others   []roster.Group
	Children int
	MaxMB    int64 // how large a file may be
	Last     imports.Import
	HasLast  bool
	Open     imports.Import // that was begun and has not come to its end
	HasOpen  bool
}

func (p *rosterPages) overview(r *http.Request, me staff.Staff) (web.Response, error) {
	return p.overviewWith(r.Context(), me, nil)
}

// overviewWith shows the first page of the roster, with what is wrong with the
// file that was chosen there.
func (p *rosterPages) overviewWith(ctx context.Context, me staff.Staff, wrong problem.List) (web.Response, error) {
	data := &rosterPage{Base: web.Base{Problems: wrong, Scripts: []string{"once.js"}}, MaxMB: p.maxSheet() >> 20}
	groups, err := p.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Children == 0 {
			continue // such as a class that a turn of the year made and that was undone
		}
		switch g.Kind {
		case roster.Class:
			data.Classes = append(data.Classes, g)
			data.Children += g.Children
		case roster.Other:
			data.Others = append(data.Others, g)
		}
	}
	if data.Last, data.HasLast, err = p.imports.Last(ctx, me.School); err != nil {
		return nil, err
	}
	data.Open, data.HasOpen, err = p.imports.Newest(ctx, me.School, func(in imports.Import) bool { return in.Open(p.Now()) })
	if err != nil {
		return nil, err
	}
	return web.Page{Template: "roster.html", Data: data}, nil
}

// upload keeps a file to be looked at. What is no class list at all is refused at
// once, on the page where it was chosen.
func (p *rosterPages) upload(r *http.Request, me staff.Staff) (web.Response, error) {
	name, part, err := filePart(r)
	if err != nil {
		return p.refuseFile(r, me, err)
	}
	file, err := sheetOf(part, p.maxSheet())
	if err != nil {
		return p.refuseFile(r, me, err)
	}
	in, err := p.imports.Keep(r.Context(), me.School, fileName(name), file, isTurn(r))
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: importPath(in.ID)}, nil
}

func (p *rosterPages) refuseFile(r *http.Request, me staff.Staff, err error) (web.Response, error) {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		_, err = roster.ReadSheet(io.LimitReader(endless{}, p.maxSheet()+1), p.maxSheet()) // says how large a file may be
	}
	var e *problem.Error
	if !errors.As(err, &e) {
		return nil, err
	}
	if isTurn(r) {
		return p.refuseTurnFile(r, me, e)
	}
	return p.overviewWith(r.Context(), me, problem.List{e.In("file")})
}

// endless is a file without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

var noFile = problem.New(problem.Invalid,
	"ファイルを選んでから、「内容を確認する」を押してください。",
	"Choose a file, then press “Check the contents”.")

// filePart returns the file of a multipart form as a stream.
func filePart(r *http.Request) (name string, file io.Reader, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", nil, noFile.Because(err)
	}
	for {
		part, err := parts.NextPart()
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return "", nil, err
		}
		if err != nil {
			return "", nil, noFile.Because(err)
		}
		if name := part.FileName(); name != "" {
			return name, part, nil
		}
	}
}

const maxFileName = 120 // characters

// fileName returns a name of a file fit to be shown.
func fileName(name string) string {
	name = printable(name)
	if runes := []rune(name); len(runes) > maxFileName {
		name = string(runes[:maxFileName])
	}
	return name
}

// sheetOf reads a file that was sent, of at most limit bytes.
func sheetOf(r io.Reader, limit int64) ([]byte, error) {
	file, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	_, err = roster.ReadSheet(bytes.NewReader(file), limit)
	return file, err
}

// show shows an import in the state in which it is.
func (p *rosterPages) show(r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.imports.Get(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	switch in.State {
	case imports.Waits:
		return p.preview(r.Context(), me, in, nil)
	case imports.Done, imports.Undone:
		if in.Turn {
			return p.turnResult(in)
		}
		return p.result(r.Context(), me, in)
	}
	now := p.Now()
	data := &runningPage{Import: in, Stalled: in.Stopped(now), Over: !in.Open(now) && !in.Undoing, May: in.Undoable(now)}
	if !data.Stalled {
		data.Refresh, data.Scripts = 2, []string{"live.js"}
	}
	return web.Page{Template: "roster_running.html", Data: data}, nil
}

// runningPage is the data of roster_running.html.
type runningPage struct {
	web.Base
	Import  imports.Import
	Stalled bool // it was cut off, or failed, and can be begun again
	Over    bool // and that no more: its file is kept no longer
	May     bool // it is half a turn that can be undone
}

// Percent is how far the import is.
func (d *runningPage) Percent() int { return 100 * d.Import.Done / max(d.Import.Total, 1) }

// confirm begins the import, or goes on with one that was cut off.
func (p *rosterPages) confirm(r *http.Request, me staff.Staff) (web.Response, error) {
	importID := r.PathValue("id")
	in, err := p.imports.Get(r.Context(), me.School, importID)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Turn && in.State == imports.Waits:
		return p.confirmTurn(r, me, in)
	case in.State == imports.Waits:
		return p.confirmImport(r, me, in)
	case in.Undoing:
		return p.undoTurn(r, me)
	}
	if err := p.begin(r.Context(), me, importID, goesOn); err != nil {
		return nil, err
	}
	return web.Redirect{To: importPath(importID)}, nil
}

// goesOn is what the audit log says of an import that had been cut off.
const goesOn = "取り込みの続き"

// begin has an import done, unless somebody is at it. The audit log is told what it does.
func (p *rosterPages) begin(ctx context.Context, me staff.Staff, importID, said string) error {
	return p.record(ctx, entry(me, audit.RosterChange, importID, said), func() error {
		in, begun, err := p.imports.Begin(ctx, me.School, importID)
		if err != nil || !begun {
			return err
		}
		p.Log.Info("import begun", "import", in.ID, "school", me.School, "staff", me.ID)
		return p.run(ctx, me, in)
	})
}

// run has an import that was begun done: by the queue of jobs, or here.
func (p *rosterPages) run(ctx context.Context, me staff.Staff, in imports.Import) error {
	if p.Background == nil {
		return p.Jobs.Send(ctx, imports.Message(me.School, in))
	}
	p.Background(func(ctx context.Context) { _ = p.imports.Run(ctx, me.School, in) }) // one that was cut off stalls
	return nil
}

// cancel drops a file that was not confirmed. Cancelling twice is no error.
func (p *rosterPages) cancel(r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.imports.Get(r.Context(), me.School, r.PathValue("id"))
	switch {
	case errors.Is(err, imports.ErrNone):
		return web.Redirect{To: "/roster"}, nil
	case err != nil:
		return nil, err
	case in.State != imports.Waits:
		return web.Redirect{To: importPath(in.ID)}, nil
	}
	if err := p.imports.Forget(r.Context(), me.School, in); err != nil {
		return nil, err
	}
	return web.Redirect{To: "/roster"}, nil
}

// rejected sends the rows that were not imported, to be corrected and loaded
// again.
func (p *rosterPages) rejected(r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.imports.Get(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	_, plan, err := p.imports.Plan(r.Context(), me.School, in)
	if err != nil {
		return nil, imports.Withhold(err)
	}
	var file bytes.Buffer
	if err := plan.RejectedCSV(&file); err != nil {
		return nil, err
	}
	return csvFile("todoku-errors.csv", "text/csv", file.Bytes()), nil
}

func (p *rosterPages) export(r *http.Request, me staff.Staff) (web.Response, error) {
	return p.exportRoster(r, me, roster.UTF8BOM)
}

// exportRoster sends the roster in the encoding of the query.
func (s *Server) exportRoster(r *http.Request, me staff.Staff, usual roster.Encoding) (web.Response, error) {
	enc := usual
	switch r.URL.Query().Get("encoding") {
	case "":
	case "utf-8":
		enc = roster.UTF8
	case "shift_jis":
		enc = roster.ShiftJIS
	default:
		return nil, problem.New(problem.Invalid, "「encoding」には utf-8 か shift_jis を指定してください。", "Give encoding as utf-8 or shift_jis.").In("encoding")
	}
	var file bytes.Buffer // whole, so that what has no place in the encoding can still be told
	if err := roster.Export(r.Context(), s.Roster, me.School, &file, enc); err != nil {
		return nil, err
	}
	return csvFile("todoku-roster.csv", csvType(enc), file.Bytes()), nil
}

// csvFile returns a file for the person to keep.
func csvFile(name, mediaType string, body []byte) web.Response {
	h := http.Header{"Content-Disposition": {`attachment; filename="` + name + `"`}}
	return web.Bytes{Header: h, Type: mediaType, Body: body}
}

func csvType(enc roster.Encoding) string {
	if enc == roster.ShiftJIS {
		return "text/csv; charset=Shift_JIS"
	}
	return "text/csv; charset=utf-8"
}

// sampleSheet shows how a class list can look: siblings, two guardians, a guardian
// with two addresses, a child without any.
//
//go:embed templates/roster_sample.csv
var sampleSheet []byte

func (p *rosterPages) sample(*http.Request, staff.Staff) (web.Response, error) {
	const bom = "\ufeff" // without it Excel takes UTF-8 for Shift_JIS
	return csvFile("todoku-sample.csv", csvType(roster.UTF8BOM), append([]byte(bom), sampleSheet...)), nil
}
