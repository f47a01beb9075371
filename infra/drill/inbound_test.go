package drill

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/mail/incoming"
)

// mailTo returns the address on a pupil's slip to which an empty mail is sent. The
// manager prints the slips of the pupil's class for it.
func (d *Drill) mailTo(p Pupil) string {
	d.Helper()
	class := fmt.Sprintf("%d年%d組", p.Grade, p.Class)
	groups := d.Groups()
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == class })
	if i < 0 {
		d.Fatalf("no class %s in %v", class, groups)
	}
	path := "/reach/" + groups[i].ID
	slips := d.Manager.Open(path).Form(path + "/slips").Press("登録の紙を印刷する")
	for _, slip := range slips.Find("li", "slip") {
		if words := strings.Fields(text(slip)); strings.Contains(text(slip), p.Name) {
			at := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, "@"+InboundDomain) })
			if at >= 0 {
				return words[at]
			}
		}
	}
	d.Fatalf("no address on the slip of %s:\n%s", p.Number, slips.Text())
	return ""
}

var confirmLink = regexp.MustCompile(`https?://\S+/register/confirm/[A-Za-z0-9_-]+`)

// confirmSubject is the subject of the mail that asks for a confirmation.
const confirmSubject = "【見本市立ドリル小学校】連絡先の確認をお願いします / Please confirm your address"

// emptyMail is what a telephone sends when a guardian scans the code and presses
// "send".
func emptyMail(from string, header ...string) []byte {
	lines := append([]string{
		"Date: Mon, 6 Apr 2026 08:30:00 +0900", "From: =?ISO-2022-JP?B?GyRCTXg7fBsoQg==?= <" + from + ">", "Subject: ",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=ISO-2022-JP",
	}, header...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n\r\n")
}

// mailDoor: an empty mail to the codes of two siblings gets one reply, whose link
// makes the sender a verified contact of both. Sending it again at once, which
// telephones do, changes nothing.
func mailDoor(d *Drill) {
	pupils := Pupils(20)
	d.Import(Sheet(pupils), "")
	siblings := pupils[:2]
	const from = "grand..mother@docomo.ne.jp"
	to := []string{d.mailTo(siblings[0]), d.mailTo(siblings[1])}
	for range 2 {
		if err := d.Post(emptyMail(from), incoming.Envelope{From: `"grand..mother"@docomo.ne.jp`, To: to}); err != nil {
			d.Fatal(err)
		}
		d.Quiet()
	}
	reply := d.Arrive(confirmSubject, from)[from]
	page := d.NewBrowser().Open(confirmLink.FindString(reply.Text)).Says(http.StatusOK, "連絡先を登録しますか")
	for _, p := range siblings {
		page.Says(http.StatusOK, p.Name)
	}
	page.Form("/register/confirm/").Press("登録する").Says(http.StatusOK, "登録が終わりました")

	d.Send(Alert{Subject: "登録の後の連絡"})
	d.Arrive("登録の後の連絡", append(Addresses(pupils...), from)...)
}

// mailNoise: nothing of this gets a reply, and nobody is registered.
func mailNoise(d *Drill) {
	pupils := Pupils(20)
	d.Import(Sheet(pupils), "")
	d.DNS.Set(d, `_dmarc.bank.example.org. TXT "v=DMARC1; p=reject"`)
	to := d.mailTo(pupils[0])
	code, _, _ := strings.Cut(to, "@")
	const from = "stranger@docomo.ne.jp"
	forged := incoming.Verdicts{DMARC: incoming.Fail}
	for name, m := range map[string]struct {
		raw []byte
		incoming.Envelope
	}{
		"a vacation program": {emptyMail(from, "Auto-Submitted: auto-replied"), incoming.Envelope{From: from, To: []string{to}}},
		"a bounce":           {emptyMail(from), incoming.Envelope{To: []string{to}}},
		"a list":             {emptyMail(from, "List-Id: <pta.example.org>"), incoming.Envelope{From: from, To: []string{to}}},
		"our own mail":       {emptyMail(from, "X-Todoku-join: 01J0"), incoming.Envelope{From: from, To: []string{to}}},
		"our own domain":     {emptyMail("0123456789@" + InboundDomain), incoming.Envelope{From: from, To: []string{to}}},
		"a forged sender":    {emptyMail("director@bank.example.org"), incoming.Envelope{From: "x@elsewhere.example.net", To: []string{to}, Verdicts: forged}},
		"two senders":        {[]byte("From: a@docomo.ne.jp, b@docomo.ne.jp\r\n\r\n"), incoming.Envelope{From: from, To: []string{to}}},
		"a code of nobody":   {emptyMail(from), incoming.Envelope{From: from, To: []string{nobodys(code) + "@" + InboundDomain}}},
	} {
		if err := d.Post(m.raw, m.Envelope); err != nil {
			d.Errorf("%s: %v", name, err)
		}
	}
	wrong := incoming.Envelope{From: from, To: []string{"postmaster@" + InboundDomain}}
	if err := d.Post(emptyMail(from), wrong); err != nil && !strings.Contains(err.Error(), "550") {
		d.Errorf("no code at all: %v", err)
	}
	d.Quiet() // and what mails came is looked at when the scenario ends
}

// nobodys returns a code that is well formed, and that nobody has.
func nobodys(code string) string {
	for i := range 32 * 32 {
		c := code[:5] + string(enrol.Alphabet[i/32]) + string(enrol.Alphabet[i%32]) + code[7:]
		if parsed, ok := enrol.ParseCode(c); ok && !strings.EqualFold(parsed, code) {
			return strings.ToLower(c)
		}
	}
	panic("the check character lets every code through") // or none
}
