package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// yearSheet writes a new year's class list, as a school's office has it in spring:
// grade, class and name, no numbers, no addresses.
func yearSheet(pupils []Pupil) []byte {
	rows := [][]string{{"学年", "組", "出席番号", "氏名"}}
	for _, p := range pupils {
		rows = append(rows, []string{fmt.Sprint(p.Grade), fmt.Sprint(p.Class), fmt.Sprint(p.Seat), p.Name})
	}
	return write(rows)
}

// signInAgain signs the manager in by a mailed link, after the session has ended.
func (d *Drill) signInAgain() {
	d.Helper()
	before := len(d.with(signInSubject))
	d.expected[envelope{signInSubject, manager.Mail}]++
	d.Manager = d.NewBrowser()
	d.Manager.Open("/sign-in").Form("/sign-in/mail").Set("mail", manager.Mail).Press("")
	var mails []Mail
	d.Until("the link comes", func() bool { mails = d.with(signInSubject); return len(mails) > before })
	d.Manager.Open(signInLink.FindString(mails[before].Text)).Form("/sign-in/").Press("").Says(http.StatusOK, "連絡")
}

// nextYear returns who is in the list of the next school year, and whose names are
// unlike all others', so that they can be followed: the second grade leaves, one of the
// first has moved away, and two are new.
func nextYear(pupils []Pupil) (list []Pupil, stay, leave []Pupil) {
	for i, p := range pupils {
		if p.Grade == 2 || i == 8 {
			leave = append(leave, p)
			continue
		}
		stay = append(stay, p)
		p.Grade, p.Class, p.Seat = 2, p.Seat%4+1, p.Seat+100
		list = append(list, p)
	}
	list = append(list, Pupil{Grade: 1, Class: 1, Seat: 1, Name: "新入 一"}, Pupil{Grade: 1, Class: 2, Seat: 1, Name: "新入 二"})
	return list, stay, leave
}

// turnYear is April: the classes are rolled over by a list, taken back, and rolled over
// again; contacts stay as they were, and who left is forgotten when the time is over.
func turnYear(d *Drill) {
	pupils := d.ownNames(175)
	verified := d.verify(pupils[0])
	list, stay, leave := nextYear(pupils)
	all, staying := append(Addresses(pupils...), verified), append(Addresses(stay...), verified)
	gone := slices.DeleteFunc(Addresses(leave...), func(a string) bool { return slices.Contains(staying, a) })
	d.told("before the turn", all)

	path := d.turn(list)
	d.told("after the turn", staying)
	d.equal("first grade", d.sizeOf("1年1組"), 1)
	office, _ := d.classOf(pupils[0].Name)
	office.Says(http.StatusOK, verified+" 確認済み")

	d.Manager.Open(path).Form(path + "/undo").Press("取り消して")
	d.Until("it is undone", func() bool { return strings.Contains(d.Manager.Open(path).Text(), "更新を取り消しました") })
	d.told("undone", all)

	d.turnByAPI(list)
	path = d.turn(list)
	d.told("turned again", staying)
	d.Advance(29 * 24 * time.Hour)
	d.signInAgain()
	d.Manager.Open(path).Says(http.StatusOK, "更新を取り消して、元に戻す")
	d.Advance(25 * time.Hour)
	for range 10 {
		d.Advance(time.Minute) // a part of the families each time
	}
	d.signInAgain()
	d.Manager.Open(path).Says(http.StatusOK, "もう取り消せません")
	d.NewBrowser().Open("/register/own").Form("/register/own").Set("address", gone[0]).Press("リンクを受け取る").
		Says(http.StatusOK, "そのアドレスが登録されていれば") // and nothing comes
	d.own(staying[0])
	d.told("a month later", staying)
}

// ownNames imports pupils of whom no two have the same name.
func (d *Drill) ownNames(n int) []Pupil {
	d.Helper()
	pupils := Pupils(n)
	for i := range pupils {
		pupils[i].Name = fmt.Sprintf("%s%d", pupils[i].Name, i)
	}
	d.Import(Sheet(pupils), "")
	return pupils
}

// verify registers another address for a pupil by the slip's code.
func (d *Drill) verify(p Pupil) string {
	d.Helper()
	const address = "verified@gmail.com"
	for _, s := range d.slips() {
		if s.child != p.Name {
			continue
		}
		d.NewBrowser().Open("/register/"+s.code).Form("/register").Set("address", address).Press("確認メールを受け取る")
		mail := d.Arrive(askSubject(registered), address)[address]
		d.NewBrowser().Open(joinLink.FindString(mail.Text)).Form("/register/confirm/").Press("登録する").Says(http.StatusOK, "登録が終わりました")
		return address
	}
	d.Fatalf("no slip for %s", p.Name)
	return ""
}

// turn uploads a list for the turn of the year, looks at the preview, confirms it, and
// returns the path of its page.
func (d *Drill) turn(list []Pupil) string {
	d.Helper()
	preview := d.Manager.Open("/roster/turn").Form("/roster/imports").Attach("新年度.csv", yearSheet(list)).Press("")
	preview.Says(http.StatusOK, "学年が一つ上がるリスト").Says(http.StatusOK, "卒業学年でないのに")
	path := preview.URL.Path
	preview.Form(path+"/confirm").Press("年度を更新する").Says(http.StatusUnprocessableEntity, "チェックを入れて")
	preview.Form(path+"/confirm").Set("sure", "1").Press("年度を更新する")
	d.Until("the year has turned", func() bool {
		return strings.Contains(d.Manager.Open(path).Text(), "名簿が新しい年度になりました")
	})
	return path
}

// turnByAPI turns the year as a program does, and takes it back.
func (d *Drill) turnByAPI(list []Pupil) {
	d.Helper()
	var turn struct {
		ID, State string
		Preview   struct {
			Seen    string
			Ready   bool
			Leavers []struct{ Name string }
		}
		Back, Left int
	}
	d.Call(Request{Method: "POST", Path: "/roster/turns", Type: "text/csv", Body: yearSheet(list)}, http.StatusCreated, &turn)
	path := "/roster/turns/" + turn.ID
	d.equal("leavers to look at", len(turn.Preview.Leavers), 1)
	body := `{"seen":"` + turn.Preview.Seen + `"`
	d.Call(Request{Method: "POST", Path: path + "/confirm", Body: []byte(body + `}`)}, http.StatusUnprocessableEntity, nil)
	d.Call(Request{Method: "POST", Path: path + "/confirm", Body: []byte(body + `,"leavers_confirmed":true}`)}, http.StatusAccepted, nil)
	stands := func(state string) func() bool {
		return func() bool {
			d.Call(Request{Method: "GET", Path: path}, http.StatusOK, &turn)
			return turn.State == state
		}
	}
	d.Until("the year has turned by the API", stands("done"))
	d.equal("first grade", d.sizeOf("1年1組"), 1)
	d.Call(Request{Method: "POST", Path: path + "/undo"}, http.StatusAccepted, nil)
	d.Until("it is undone by the API", stands("undone"))
	d.equal("families put back", turn.Back > 0, true)
}

func (d *Drill) sizeOf(class string) int {
	d.Helper()
	for _, g := range d.Groups() {
		if g.Name == class {
			return g.Children
		}
	}
	return 0
}

// classOf finds a child by the search of the office's page, and opens its class.
func (d *Drill) classOf(name string) (page *Page, path string) {
	d.Helper()
	found := d.Manager.Open("/reach?q="+strings.ReplaceAll(name, " ", "+")).Says(http.StatusOK, name)
	for _, a := range found.Find("a", "") {
		if to := attr(a, "href"); strings.HasPrefix(to, "/reach/") && strings.Contains(to, "#child-") {
			return d.Manager.Open(to), to
		}
	}
	d.Fatalf("%s is not found", name)
	return nil, ""
}
