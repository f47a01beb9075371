//go:build shots

package registration

import (
	"flag"
	"testing"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/web/webtest/shot"
)

var shots = flag.String("shots", "shots", "folder for the pictures")

// TestShots takes pictures of the pages:
//
//	go test -tags shots -run TestShots ./functions/registration -shots /tmp/shots
func TestShots(t *testing.T) {
	s := newSchool(t)
	wait := s.register("hana@docomo.ne.jp", "name", "見本 花", "relation", "母").Header.Get("Location")
	s.inbox.FailWith(func(*mail.Message) error {
		return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "User unknown"}
	})
	refused := s.register("tarou@softbank.ne.jp").Header.Get("Location")
	doubt := s.register("taro@gmial.com")
	wrong := s.register("太郎", "code", "123")
	confirm := s.mailed()
	s.inbox.FailWith(nil)
	own := s.openOwn("oya@gmail.com")
	shot.Take(t, s.handler, *shots, nil, []shot.Page{
		{Name: "form", Path: "/register/" + s.codes[0]},
		{Name: "form-english", Path: "/shot/en", HTML: s.do("GET", "/register?lang=en", nil).body},
		{Name: "doubt", Path: "/shot/doubt", HTML: doubt.body},
		{Name: "wrong", Path: "/shot/wrong", HTML: wrong.body},
		{Name: "wait", Path: wait},
		{Name: "refused", Path: refused},
		{Name: "own", Path: own},
		{Name: "own-english", Path: "/shot/own", HTML: s.do("GET", own+"?lang=en", nil).body},
		{Name: "ask", Path: "/register/own"},
		{Name: "confirm", Path: confirm},
	})
}
