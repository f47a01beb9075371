package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// lostMail has mail refused: of one operator to many, of others to some. It returns the
// path of the page that shows it.
func (o *office) lostMail() string {
	o.t.Helper()
	a := o.alert(func(d *alert.Draft) { d.Subject = "届かない連絡" }, true)
	var refused []docket.Refusal
	families, _, err := o.server.Roster.Families(o.t.Context(), o.me.School, "")
	o.must(err)
	lanes := map[string]int{}
	for _, f := range families {
		for _, k := range f.Guardians[0].Contacts {
			l := o.server.Lanes.Of(k.Address[strings.LastIndexByte(k.Address, '@')+1:]).Name
			if lanes[l]++; l != "docomo" && lanes[l] > 1 {
				continue
			}
			o.must(o.server.Roster.EditContacts(o.t.Context(), o.me.School, f.ID, func(k *roster.Contact) bool {
				if l != "docomo" && lanes["docomo"]%2 == 0 {
					k.State = roster.Unverified
				}
				return true
			}))
			class := judge.Unknown
			if l == "softbank" {
				class = judge.Full
			}
			refused = append(refused, docket.Refusal{
				Copy: alert.CopyRef{Ref: alert.Ref{Alert: a.ID, Class: f.Children[0].Class, Family: f.ID}, Contact: k.ID},
				Lane: l, Class: class, Code: 550, Words: "Unknown user (address)", At: o.clock(),
			})
		}
	}
	o.must(o.server.Docket.Hear(o.t.Context(), a, refused...))
	o.pass(20 * time.Minute)
	clerk := docket.Clerk{Store: o.server.Docket, Memos: &memo.Office{Staff: o.server.Staff, Copies: o.fanout.Copies}, Lanes: must(lane.Load(nil)), Log: o.server.Log}
	o.must(clerk.Work(o.t.Context()))
	return docket.Path
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLostMail: managers see the lane that is held, try it and let it go; teachers see
// their own classes' contacts, and of a lane that it is held.
func TestLostMail(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	c := o.signIn()
	path := o.lostMail()
	page := o.visit(c, path+"?lang=en").body
	for _, want := range []string{"Sending to docomo is held", "550 Unknown user", "Send a test", "closed"} {
		if !strings.Contains(page, want) {
			t.Errorf("the managers' page does not say %q", want)
		}
	}
	teacher, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: o.me.School, Name: "担任", Mail: "tannin@school.example", Role: staff.Teacher, Groups: []string{"of nobody"}})
	o.must(err)
	before := o.me
	o.me = teacher
	tc := o.signIn()
	o.me = before
	if body := o.visit(tc, path+"?lang=en").body; strings.Contains(body, "Unknown user") || strings.Contains(body, "DMARC") || strings.Contains(body, "@docomo") {
		t.Error("a teacher of no class sees what is not for a teacher")
	} else if !strings.Contains(body, "Sending to docomo is held") || !strings.Contains(body, "Phone the families") || strings.Contains(body, "There is none.") {
		t.Error("a teacher is not told that sending is held, and to phone")
	}
	for _, do := range []string{"/test", "/resume"} {
		if a := o.submit(tc, path+do, url.Values{"lane": {"docomo"}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by a teacher: %d", do, a.StatusCode)
		}
	}
	if told := regexp.MustCompile(`Mails of “届かない連絡” that told nobody: [1-9]\d*\. Phone the families`); !told.MatchString(page) {
		t.Error("the page does not say first how many mails told nobody")
	}
	if !strings.Contains(page, "/desk\">Call desk") || strings.Index(page, "Phone the families") > strings.Index(page, "SPF") {
		t.Error("to phone does not come before the advice for the operator")
	}
	if a := o.submit(c, path+"/test", url.Values{"lane": {"docomo"}}); a.StatusCode >= 400 {
		t.Errorf("a test: %d %s", a.StatusCode, a.body)
	}
	if page := o.visit(c, path+"?lang=en").body; !strings.Contains(page, "A test to docomo was taken") {
		t.Error("a test that is taken does not let the lane go")
	}
	if a := o.submit(c, path+"/resume", url.Values{"lane": {"docomo"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("what is not held is resumed: %d", a.StatusCode)
	}
}
