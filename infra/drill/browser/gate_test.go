package browser

import (
	"testing"
)

// At the gate, with a connection that comes and goes: a tap marks the row at once, waits on
// the device, is sent by itself, and can be taken back; a colleague sees all of it.
func TestGate(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	list := "/alerts/" + c.alert + "/gate/" + c.class("1年2組")
	c.a.goTo(list)
	c.b.goTo(list)
	const row = `document.querySelector(".gate>li")`
	tap := func(b *tab) { run[bool](b, `(e => { e.click(); return true; })(document.querySelector(".gate .tap"))`) }

	tap(c.a)
	c.a.until("the row is ticked off", row+`.className === "seen"`)
	c.b.until("the colleague sees it", row+`.className === "seen"`)

	c.a.online(false)
	tap(c.a)
	tap(c.a) // once more, by an impatient finger
	c.a.until("the row waits", `document.querySelectorAll(".gate>li.waiting").length === 1`)
	c.a.says("この端末に保存しました")
	c.a.online(true)
	c.a.until("it was sent by itself", `document.querySelectorAll(".gate>li.seen").length === 2 && document.getElementById("kept").hidden`)
	c.b.until("the colleague sees that, too", `document.querySelectorAll(".gate>li.seen").length === 2`)

	c.b.touch("取り消す")
	c.a.until("it was taken back", `document.querySelectorAll(".gate>li.seen").length === 1`)

	// What a guardian says meanwhile is not overwritten unseen.
	c.a.online(false)
	tap(c.a)
	c.a.says("この端末に保存しました")
	family := run[string](c.a, `document.querySelector(".gate>li.waiting [name=family]").value`)
	c.answerAt("/alerts/"+c.alert+"/families/"+c.class("1年2組")+"/"+family, "help")
	c.a.online(true)
	c.a.says("まだ記録されていません")
	c.a.until("the call for help is on the list", `document.querySelectorAll(".gate>li.help").length === 1`)
	run[bool](c.a, `(e => { e.click(); return true; })(document.querySelector(".gate>li.help .tap"))`)
	c.a.until("whoever sees the child decides", `document.querySelectorAll(".gate>li.help").length === 0 && document.getElementById("kept").hidden`)
}
