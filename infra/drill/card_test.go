package drill

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var cardLink = regexp.MustCompile(`https?://\S+/register/card/[0-9A-Z-]+`)

// cardsOf prints the cards of a class and returns their addresses by pupils' numbers.
func (d *Drill) cardsOf(class string, pupils []Pupil) map[string]string {
	d.Helper()
	path := "/reach/" + d.classID(class)
	page := d.Manager.Open(path).Form(path+"/cards").Press("").Says(http.StatusOK, "家庭カード")
	links := map[string]string{}
	for _, card := range page.Find("li", "slip") {
		for _, p := range pupils {
			if words := strings.Join(strings.Fields(text(card)), " "); strings.Contains(words, fmt.Sprintf("%s %d %s", class, p.Seat, p.Name)) {
				links[p.Number] = cardLink.FindString(words)
			}
		}
	}
	return links
}

// familyCard: a card reports a child safe without any mail while a safety check is open;
// it replaces nobody's answer but with a call for help; it can be replaced and revoked.
func familyCard(d *Drill) {
	d.AllowErrors("the doctor found something") // in a world without DNS
	pupils := d.class(12)
	cards := d.cardsOf("1年1組", pupils)
	d.equal("cards", len(cards), len(pupils))
	d.equal("printed again", d.cardsOf("1年1組", pupils), cards)
	card := func(i int) string { return cards[pupils[i].Number] }
	d.NewBrowser().Open(card(3)).Says(http.StatusOK, "安否確認は行われていません")

	d.Send(Alert{Kind: "notice", Subject: "お知らせ"})
	d.Arrive("お知らせ", Addresses(pupils...)...)
	d.NewBrowser().Open(card(3)).Says(http.StatusOK, "安否確認は行われていません")
	drill := d.Send(Alert{Kind: "drill", Subject: "訓練です"})
	d.Arrive("【訓練】訓練です", Addresses(pupils...)...)
	d.NewBrowser().Open(card(3)).Says(http.StatusOK, "これは訓練です").Form("/register/card/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")
	d.equal("answered in the drill", d.Status(drill).Children["answered"], int64(1))

	id := d.Send(Alert{Subject: "地震の安否確認"})
	mails := d.Arrive("地震の安否確認", Addresses(pupils...)...)
	page := d.NewBrowser().Open(card(3)).Says(http.StatusOK, "地震の安否確認")
	if strings.Contains(page.Text(), pupils[3].Name) {
		d.Error("the page of a card names the child")
	}
	d.equal("answered by opening it", d.Status(id).Children["answered"], int64(0))
	form := page.Form("/register/card/")
	form.Press("無事です").Says(http.StatusOK, "回答を受け付けました")
	d.equal("answered", d.Status(id).Children["answered"], int64(1))
	d.Manager.Open("/alerts/"+id+"/classes/"+d.classID("1年1組")).Says(http.StatusOK, pupils[3].Name)

	d.press(mails[pupils[2].parent()], "助けが必要です")
	other := d.NewBrowser().Open(card(2)).Says(http.StatusOK, "すでに回答があります").Form("/register/card/")
	other.Set("choice", "safe").Press("助けが必要です")
	d.equal("help", d.Status(id).Children["help"], int64(1))
	safe := d.NewBrowser().Open(card(4)).Form("/register/card/")
	d.press(mails[pupils[4].parent()], "助けが必要です")
	safe.Press("無事です").Says(http.StatusConflict, "別の方法で回答があります")
	d.equal("help", d.Status(id).Children["help"], int64(2))

	list := d.Manager.Open("/reach/" + d.classID("1年1組") + "/cards")
	list.Form("/reach/").Press("カードを作り直す")
	list.Form("/reach/").Press("カードを無効にする")
	gone := 0
	for _, link := range cards {
		if d.NewBrowser().Open(link).Status >= 400 {
			gone++
		}
	}
	d.equal("cards that do not work any more", gone, 1)

	d.Advance(3 * time.Hour)
	d.comes(askSubject("訓練が終わりました：【訓練】訓練です / The drill is over: 【訓練】訓練です"), manager.Mail)
	d.NewBrowser().Open(card(7)).Says(http.StatusOK, "安否確認は行われていません")
	d.guessCards(card(7))
}

// guessCards: after twenty wrong codes the right one is not looked at for an hour.
func (d *Drill) guessCards(right string) {
	d.Helper()
	at := strings.LastIndex(right, "/") + 1
	wrong := nobodys(strings.ToLower(strings.ReplaceAll(right[at:], "-", "")))
	for i := range 20 {
		if p := d.NewBrowser().Open(right[:at] + wrong); p.Status < 400 {
			d.Fatalf("guess %d: status %d", i, p.Status)
		}
	}
	d.NewBrowser().Open(right).Says(http.StatusTooManyRequests, "")
}
