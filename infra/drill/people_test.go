package drill

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	staffInvited  = "緊急連絡システムへの招待 / Your account for emergency messages"
	signInSubject = "サインイン用リンク / Sign-in link"
)

var (
	signInLink  = regexp.MustCompile(`https?://\S+/sign-in/[A-Za-z0-9_-]{22}`)
	printedCode = regexp.MustCompile(`[0-9A-Z]{4}(-[0-9A-Z]{4}){5}`)
)

// hire invites a teacher by mail, who follows the mails and is then signed in.
func (d *Drill) hire(name, address, role string, classes ...string) *Browser {
	d.Helper()
	form := d.Manager.Open("/people/new").Form("/people").Set("name", name).Set("mail", address).Set("role", role)
	form.Values["groups"] = classes
	form.Press("招待メールを送る").Says(http.StatusOK, "招待メールを送りました")
	mail := d.Arrive(staffInvited, address)[address]
	page := regexp.MustCompile(`https?://\S+/sign-in`).FindString(mail.Text)
	b := d.NewBrowser()
	b.Open(page).Form("/sign-in/mail").Set("mail", address).Press("")
	link := signInLink.FindString(d.Arrive(signInSubject, address)[address].Text)
	d.NewBrowser().Open(link).Says(http.StatusForbidden, "依頼したブラウザーでだけ")
	b.Open(link).Form("/sign-in/").Press("").Says(http.StatusOK, "連絡")
	return b
}

// hireByCode has a code printed for somebody without mail, and signs them in.
func (d *Drill) hireByCode(name, role string, classes ...string) *Browser {
	d.Helper()
	form := d.Manager.Open("/people/new").Form("/people").Set("name", name).Set("role", role)
	form.Values["groups"] = classes
	code := printedCode.FindString(form.Press("コードを印刷する").Says(http.StatusOK, "一度だけ使えます").Text())
	b := d.NewBrowser()
	b.Open("/sign-in/code").Form("/sign-in/code").Set("code", strings.ToLower(code)).Press("").Says(http.StatusOK, "連絡")
	d.NewBrowser().Open("/sign-in/code").Form("/sign-in/code").Set("code", code).Press("").Says(http.StatusUnprocessableEntity, "使えません")
	return b
}

// personPath returns the path of somebody's page in the list of people.
func (d *Drill) personPath(name string) string {
	d.Helper()
	for _, a := range d.Manager.Open("/people").Says(http.StatusOK, name).Find("a", "") {
		if text(a) == name {
			return attr(a, "href")
		}
	}
	d.Fatalf("%s is not in the list", name)
	return ""
}

// classID returns the id of a class.
func (d *Drill) classID(name string) string {
	d.Helper()
	var groups struct {
		Groups []struct{ ID, Name string } `json:"groups"`
	}
	d.Call(Request{Method: "GET", Path: "/groups"}, http.StatusOK, &groups)
	for _, g := range groups.Groups {
		if g.Name == name {
			return g.ID
		}
	}
	d.Fatalf("no class %s", name)
	return ""
}

// people goes through a year of a staff room.
func people(d *Drill) {
	d.class(40) // two classes
	one, two := d.classID("1年1組"), d.classID("1年2組")
	d.Manager.Open("/").Says(http.StatusOK, "管理者が一人だけです")
	teacher := d.hire("例 一子", "ichiko@drill-es.example.jp", "teacher", one)
	teacher.Open("/people").Says(http.StatusForbidden, "管理者")
	deputy := d.hireByCode("副校長 例", "manager")
	if strings.Contains(d.Manager.Open("/").Text(), "管理者が一人だけです") {
		d.Error("two managers are still too few")
	}

	// With two managers, neither goes without another one in the place.
	path := d.personPath("副校長 例")
	d.Manager.Open(path).Form(path+"/disable").Press("").Says(http.StatusConflict, "先に、もう一人を管理者にしてください")
	deputy.Open("/people").Says(http.StatusOK, "例 一子")

	// From a list, with Shift_JIS.
	list := write([][]string{{"氏名", "メールアドレス", "職名", "担任"}, {"例 二郎", "jiro@drill-es.example.jp", "教諭", "1年2組"}, {"誤 記", "", "教諭", "9年9組"}})
	preview := d.Manager.Open("/people/import").Form("/people/import/preview").Attach("教職員.csv", list).Press("確認")
	preview.Says(http.StatusOK, "名簿にありません")
	preview.Form("/people/import/preview").Press("取り込む").Says(http.StatusOK, "新規1人")
	d.expected[envelope{staffInvited, "jiro@drill-es.example.jp"}]++

	// Spring: the one leaves, the other takes both classes.
	teacher.Open("/").Says(http.StatusOK, "連絡")
	form := d.Manager.Open("/people/hand-over").Form("/people/hand-over/preview").
		Set("class_"+one, "例 二郎").Set("class_"+two, "例　二郎")
	form.Values["leaves"] = []string{strings.TrimPrefix(d.personPath("例 一子"), "/people/")}
	form.Press("確認").Says(http.StatusOK, "1年1組 を受け持つ").Form("/people/hand-over").Press("この内容で引き継ぐ").Says(http.StatusOK, "引き継ぎを反映しました")
	if p := teacher.Open("/"); p.URL.Path != "/sign-in" {
		d.Errorf("who has left is at %s", p.URL.Path)
	}
	path = d.personPath("例 一子")
	d.Manager.Open(path).Form(path+"/enable").Press("").Says(http.StatusOK, "再開しました")
	if p := teacher.Open("/"); p.URL.Path != "/sign-in" {
		d.Errorf("an old session is back, at %s", p.URL.Path)
	}
	d.Manager.Open("/people").Says(http.StatusOK, "1年1組 1年2組")
	page := d.Manager.Open("/audit")
	for _, want := range []string{"教職員の変更", "招待メール: 例 一子", "コードの印刷: 副校長 例", "引き継ぎ: 変更1人 転出1人", "再開: 例 一子"} {
		page.Says(http.StatusOK, want)
	}
	d.Advance(time.Minute)
}
