package console

import (
	"errors"
	"net/http"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// testAlert mails the draft to whoever writes it, and shows the preview again.
func (s *Server) testAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	if len(f.wrong) > 0 {
		return s.composeAgain(r.Context(), me, f.form, f.wrong)
	}
	if err := s.maySend(r.Context(), me, f.draft); err != nil {
		return s.formOr(r.Context(), me, f, err)
	}
	if err := s.SendTest(r.Context(), f.draft); err != nil {
		return s.formOr(r.Context(), me, f, testFailed(err))
	}
	sent := lang.T("テストメールを %s に送りました。届いたか確認してください。", "A test mail was sent to %s. Check that it arrived.", me.Mail)
	return s.previewWith(r, me, sent.In(web.Language(r)))
}

// testFailed says what a failed test means: a relay that takes no mail is
// something to know before an alert is sent.
func testFailed(err error) error {
	var known *problem.Error
	var list problem.List
	switch {
	case errors.As(err, &known), errors.As(err, &list):
		return err
	case errors.Is(err, errNoMail):
		return problem.New(problem.Conflict, "あなたのメールアドレスが登録されていないため、テスト送信できません。管理者に登録を頼んでください。",
			"Your own mail address is not on record, so no test can be sent. Ask an administrator to add it.")
	}
	return problem.New(problem.Busy, "テストメールを送れませんでした。メールサーバーの状態を確認し、もう一度お試しください。",
		"The test mail could not be sent. Check the mail server and try again.").Because(err)
}

// sendAlert accepts the alert. The same form sent twice leads to the same page.
func (s *Server) sendAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	if len(f.wrong) > 0 {
		return s.composeAgain(ctx, me, f.form, f.wrong)
	}
	if err := s.maySend(ctx, me, f.draft); err != nil {
		return s.formOr(ctx, me, f, err)
	}
	a, err := s.Send(ctx, me, f.draft, f.form.Key)
	if problem.Is(err, problem.Conflict) && problem.Of(err)[0].Field == "Idempotency-Key" {
		f.form.Key = s.Alerts.IDs.New()
		return s.formOr(ctx, me, f, sentBefore)
	}
	if err != nil {
		return s.formOr(ctx, me, f, err)
	}
	return web.Redirect{To: "/alerts/" + a.ID + "?sent=1"}, nil
}

var sentBefore = problem.New(problem.Conflict,
	"この画面からは、すでに連絡を送信しています。変更した内容を別の連絡として送る場合は、もう一度確認画面に進んでください。送信済みの連絡は「連絡」の一覧にあります。",
	"An alert was already sent from this page. To send what you changed as another alert, go on to the preview again. What was sent is in the list of alerts.")

func (s *Server) undoAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	id := r.PathValue("id")
	if _, err := s.Undo(r.Context(), me.School, id); err != nil {
		return nil, err
	}
	return web.Redirect{To: "/alerts/" + id}, nil
}

// closePage is the data of close.html.
type closePage struct {
	web.Base
	Status alert.Status
}

// askClose asks before an alert is ended: that cannot be taken back.
func (s *Server) askClose(r *http.Request, me staff.Staff) (web.Response, error) {
	st, err := s.Status(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !st.Alert.Useful(s.Now()) {
		return web.Redirect{To: "/alerts/" + st.Alert.ID}, nil
	}
	return web.Page{Template: "close.html", Data: &closePage{Status: st}}, nil
}

func (s *Server) closeAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	id := r.PathValue("id")
	if _, err := s.Close(r.Context(), me.School, id); err != nil {
		return nil, err
	}
	return web.Redirect{To: "/alerts/" + id + "?closed=1"}, nil
}
