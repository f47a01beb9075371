package browser

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/multi/qrcode"

	"github.com/todoku/todoku/shared/qr"
	"github.com/todoku/todoku/shared/web"
)

// onPaper has the tab show its page as it would be printed.
func (b *tab) onPaper() {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
}

// photo returns a picture of the whole page.
func (b *tab) photo() image.Image {
	b.Helper()
	raw, err := chromedp.Run(b.limited(), chromedp.FullScreenshot(100))
	b.must(err)
	img, err := png.Decode(bytes.NewReader(raw))
	b.must(err)
	return img
}

// qrCodes returns what the QR codes on the page say, sorted, as a camera finds them
// in a picture of the whole page.
func (b *tab) qrCodes() []string {
	b.Helper()
	return b.readQR(b.photo())
}

func (b *tab) readQR(img image.Image) []string {
	b.Helper()
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	b.must(err)
	found, err := qrcode.NewQRCodeMultiReader().DecodeMultiple(bits, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	b.must(err)
	var texts []string
	for _, f := range found {
		texts = append(texts, f.GetText())
	}
	slices.Sort(texts)
	return texts
}

const qrPage = `{{define "title"}}QR{{end}}{{define "main"}}<h1>QR</h1>{{range .Codes}}{{template "qr" .}}<hr>{{end}}{{end}}`

type qrData struct {
	web.Base
	Codes []qr.Code
}

// The template "qr" draws, within the policy of our pages, what a camera can read:
// on a telephone, on a desktop, and on paper.
func TestQRCodes(t *testing.T) {
	texts := []string{
		"https://todoku.example.ed.jp/register/ABCD-EFGH-JKLM",
		"mailto:abcdefghjklm@in.todoku.example.ed.jp?subject=Todoku",
	}
	var codes []qr.Code
	for _, text := range texts {
		c, err := qr.New(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Label = text
		codes = append(codes, c)
	}
	site, err := web.New(web.Config{Pages: fstest.MapFS{"templates/qr.html": {Data: []byte(qrPage)}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /qr", site.Handle(func(*http.Request) (web.Response, error) {
		return web.Page{Template: "qr.html", Data: &qrData{Codes: codes}}, nil
	}))
	server := httptest.NewServer(site.Root(mux))
	defer server.Close()
	for _, s := range []screen{phone, desktop} {
		b := newPerson(t, server.URL, s)
		b.goTo("/qr")
		if diff := cmp.Diff(texts, b.qrCodes()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", s.name, diff)
		}
		b.onPaper()
		if diff := cmp.Diff(texts, b.qrCodes()); diff != "" {
			t.Errorf("%s, on paper: -want +got:\n%s", s.name, diff)
		}
	}
}

// printed is what a slip says for people.
type printed struct {
	Code, Page, Mail string // the code as it is printed; where the page begins; where to send mail
	Boxes            []box  // of its QR codes
}

type box struct{ X, Y, W, H int }

// readSlips returns the slips on the page.
const readSlips = `[...document.querySelectorAll(".slip")].map(s => ({
	code: s.querySelector(".code").innerText.trim(),
	page: [...s.querySelectorAll("p")].map(p => p.innerText.trim()).find(t => /^https?:/.test(t)) || "",
	mail: [...s.querySelectorAll("p")].map(p => p.innerText.trim()).find(t => /^\S+@\S+$/.test(t)) || "",
	boxes: [...s.querySelectorAll("svg.qr")].map(q => q.getBoundingClientRect()).map(r => ({
		x: Math.floor(r.x + scrollX), y: Math.floor(r.y + scrollY), w: Math.ceil(r.width), h: Math.ceil(r.height)})),
}))`

// On the printed sheet of a class both codes of every slip say what stands beside
// them, and a telephone that scans the first one comes to the form.
func TestSlips(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), desktop)
	o.signIn(b, o.manager)
	b.goTo("/reach")
	b.leave(func() { b.press(b.at("a class", `document.querySelector("tbody a[href^='/reach/']")`)) })
	b.follow("登録の紙を印刷する")
	b.onPaper()
	slips := run[[]printed](b, readSlips)
	if len(slips) < 10 {
		t.Fatalf("%d slips: %s", len(slips), run[string](b, "document.body.innerText"))
	}
	sheet := b.photo()
	for _, s := range slips {
		code := strings.ReplaceAll(s.Code, "-", "")
		if s.Mail != strings.ToLower(code)+"@"+inboundDomain || len(s.Boxes) != 2 {
			t.Fatalf("a slip says %+v", s)
		}
		for i, want := range []string{s.Page + "/" + code, "mailto:" + s.Mail} {
			at := s.Boxes[i]
			cut := image.NewRGBA(image.Rect(0, 0, at.W, at.H))
			draw.Draw(cut, cut.Bounds(), sheet, image.Pt(at.X, at.Y), draw.Src)
			if got := b.readQR(cut); len(got) != 1 || got[0] != want {
				t.Errorf("code %d of %s says %q, want %q", i+1, s.Code, got, want)
			}
		}
	}
	family := newPerson(t, o.URL(), phone)
	family.goTo(slips[0].Page + "/" + strings.ReplaceAll(slips[0].Code, "-", ""))
	if got := run[string](family, `document.querySelector("input[name=code]").value`); got != slips[0].Code {
		t.Errorf("the form has the code %q, the slip %q", got, slips[0].Code)
	}
	t.Logf("%d codes read", 2*len(slips))
}
