package console

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// Limits of a search: so much is read, and shown, at once.
const (
	auditDays  = 31
	auditShown = 200
)

const dateFormat = "2006-01-02"

// auditQuery is a search: by day of the school's zone, by kind, and by words.
type auditQuery struct {
	From, To string
	Kind     string
	Words    string
}

func readAuditQuery(v url.Values, now time.Time, zone *time.Location) auditQuery {
	q := auditQuery{From: v.Get("from"), To: v.Get("to"), Kind: v.Get("kind"), Words: strings.TrimSpace(v.Get("q"))}
	if q.To == "" {
		q.To = now.In(zone).Format(dateFormat)
	}
	if q.From == "" {
		q.From = q.To
		if t, err := time.Parse(dateFormat, q.To); err == nil {
			q.From = t.AddDate(0, 0, -6).Format(dateFormat)
		}
	}
	return q
}

// span returns from when to when, with what is wrong with it.
func (q auditQuery) span(zone *time.Location) (from, to time.Time, wrong problem.List) {
	from, errFrom := time.ParseInLocation(dateFormat, q.From, zone)
	to, errTo := time.ParseInLocation(dateFormat, q.To, zone)
	badDay := problem.New(problem.Invalid, "日付を「2026-04-06」の形で入力してください。", "Enter the day like 2026-04-06.")
	if errFrom != nil {
		wrong = append(wrong, badDay.In("from"))
	}
	if errTo != nil {
		wrong = append(wrong, badDay.In("to"))
	}
	to = to.AddDate(0, 0, 1)
	switch {
	case len(wrong) > 0:
	case !from.Before(to):
		wrong = append(wrong, problem.New(problem.Invalid,
			"終わりの日が、始まりの日より前です。終わりの日を直してください。", "The last day is before the first. Correct the last day.").In("to"))
	case to.Sub(from) > (auditDays+1)*24*time.Hour:
		wrong = append(wrong, problem.New(problem.Invalid,
			"期間は、始まりの日から%d日以内にしてください。", "Choose at most %d days, beginning with the first.", auditDays).In("to"))
	}
	return from, to, wrong
}

// auditPageData is the data of audit.html.
type auditPageData struct {
	web.Base
	Query  auditQuery
	Kinds  []audit.Kind
	Lines  []auditLine
	Found  int
	Faults []audit.Fault
	CSV    string // where the same is as a file
}

// auditLine is an entry in the list.
type auditLine struct{ audit.Entry }

// KindName returns what the kind is called.
func (auditPageData) KindName(k audit.Kind) lang.Text { return auditNames[k] }

// RoleName returns what the role is called.
func (auditLine) RoleName(role string) lang.Text { return roleNames[staff.Role(role)] }

// Words returns what was said, and of somebody who came in by which way.
func (l auditLine) Words() lang.Text {
	if way, ok := cameBy[l.Said]; ok && (l.Kind == audit.SignIn || l.Kind == audit.Link) {
		return way
	}
	return lang.Text{JA: l.Said, EN: l.Said}
}

var cameBy = map[string]lang.Text{
	"link": lang.T("リンク", "by a link"), "mail": lang.T("メール", "by mail"), "code": lang.T("コード", "by a code"),
	"passkey": lang.T("パスキー", "by a passkey"), "openid": lang.T("組織のアカウント", "by the organisation's account"),
}

var roleNames = map[staff.Role]lang.Text{
	staff.Teacher: lang.T("教員", "Teacher"), staff.Manager: lang.T("管理者", "Manager"),
	staff.District: lang.T("教育委員会", "District"), staff.Viewer: lang.T("閲覧者", "Viewer"),
}

var auditNames = map[audit.Kind]lang.Text{
	audit.SignIn:       lang.T("サインイン", "Signed in"),
	audit.SignOut:      lang.T("サインアウト", "Signed out"),
	audit.Session:      lang.T("端末のサインアウト", "Ended a session"),
	audit.Key:          lang.T("パスキーの変更", "Changed passkeys"),
	audit.Link:         lang.T("サインイン用リンク", "Sign-in link"),
	audit.Send:         lang.T("連絡の送信", "Sent an alert"),
	audit.Undo:         lang.T("送信の取り消し", "Undid an alert"),
	audit.Close:        lang.T("連絡の終了", "Closed an alert"),
	audit.Note:         lang.T("連絡のページの更新", "Updated an alert's page"),
	audit.BreakGlass:   lang.T("緊急時の全校送信", "Break-glass"),
	audit.RosterChange: lang.T("名簿の変更", "Changed the roster"),
	audit.RosterExport: lang.T("名簿の保存", "Exported the roster"),
	audit.AlertExport:  lang.T("回答一覧の保存", "Exported answers"),
	audit.AuditExport:  lang.T("操作記録の保存", "Exported the audit log"),
	audit.Invite:       lang.T("保護者の招待", "Invited guardians"),
	audit.View:         lang.T("個人情報の一覧の閲覧", "Viewed a list of people"),
	audit.People:       lang.T("教職員の変更", "Changed people"),
	audit.Token:        lang.T("APIトークンの変更", "Changed API tokens"),
	audit.Settings:     lang.T("設定の変更", "Changed settings"),
	audit.Call:         lang.T("電話連絡", "Call desk"),
	audit.Gate:         lang.T("門・教室での確認", "Seen at the gate"),
}

// auditPage shows what was done, newest first, and whether the record of those days
// is whole.
func (s *Server) auditPage(r *http.Request, me staff.Staff) (web.Response, error) {
	zone, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	q := readAuditQuery(r.URL.Query(), s.Now(), zone)
	p := &auditPageData{Query: q, Kinds: audit.Kinds, CSV: "/audit.csv?" + r.URL.RawQuery}
	entries, faults, err := s.searchAudit(r, me, q, zone)
	if wrong := problem.Of(err); err != nil && wrong[0].Kind == problem.Invalid {
		p.Problems = wrong
		return web.Page{Template: "audit.html", Data: p}, nil
	}
	if err != nil {
		return nil, err
	}
	p.Found, p.Faults = len(entries), faults
	for _, e := range entries[:min(len(entries), auditShown)] {
		p.Lines = append(p.Lines, auditLine{e})
	}
	return web.Page{Template: "audit.html", Data: p}, nil
}

// searchAudit reads the entries of a search, newest first.
func (s *Server) searchAudit(r *http.Request, me staff.Staff, q auditQuery, zone *time.Location) (found []audit.Entry, faults []audit.Fault, err error) {
	from, to, wrong := q.span(zone)
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	for day := from.UTC().Truncate(24 * time.Hour); day.Before(to); day = day.AddDate(0, 0, 1) {
		entries, err := s.Audit.Day(r.Context(), me.School, day.Format(dateFormat))
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			if !e.At.Before(from) && e.At.Before(to) && q.matches(e) {
				found = append(found, e)
			}
		}
		broken, err := s.Audit.VerifyDay(r.Context(), me.School, day.Format(dateFormat))
		if err != nil {
			return nil, nil, err
		}
		faults = append(faults, broken...)
	}
	slices.Reverse(found)
	return found, faults, nil
}

// matches reports whether an entry is of the kind and has all the words.
func (q auditQuery) matches(e audit.Entry) bool {
	if q.Kind != "" && q.Kind != string(e.Kind) {
		return false
	}
	text := strings.ToLower(strings.Join([]string{e.Name, e.Staff, e.What, e.Said, e.Via, auditNames[e.Kind].JA, auditNames[e.Kind].EN}, "\n"))
	for _, word := range strings.Fields(strings.ToLower(q.Words)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

var auditHead = []lang.Text{
	lang.T("日時", "Time"), lang.T("操作", "Action"), lang.T("氏名", "Name"), lang.T("役割", "Role"), lang.T("対象", "What"),
	lang.T("内容", "Details"), lang.T("結果", "Result"), lang.T("教職員ID", "Staff id"), lang.T("セッション", "Session"),
	lang.T("記録番号", "Entry"), lang.T("ハッシュ", "Hash"),
}

// auditCSV sends what the page shows, without its limit, as a file.
func (s *Server) auditCSV(r *http.Request, me staff.Staff) (web.Response, error) {
	zone, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	entries, _, err := s.searchAudit(r, me, readAuditQuery(r.URL.Query(), s.Now(), zone), zone)
	if err != nil {
		return nil, err
	}
	l := web.Language(r)
	write := func(w io.Writer) error { return writeAudit(w, l, zone, entries) }
	return web.Download{Name: "todoku-audit.csv", Type: csvType(roster.UTF8BOM), Write: write}, nil
}

func writeAudit(w io.Writer, l lang.Lang, zone *time.Location, entries []audit.Entry) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	head := make([]string, len(auditHead))
	for i, t := range auditHead {
		head[i] = t.In(l)
	}
	if err := c.Write(head); err != nil {
		return err
	}
	for _, e := range entries {
		row := []string{
			e.At.In(zone).Format("2006-01-02 15:04:05.000"), auditNames[e.Kind].In(l), e.Name, roleNames[staff.Role(e.Role)].In(l), e.What,
			e.Said, e.Failed, e.Staff, e.Via, e.Place(), e.Hash,
		}
		for i := range row {
			row[i] = formulaSafe(row[i])
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
