package browser

import (
	"bytes"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
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

// qrCodes returns what the QR codes on the page say, sorted, as a camera reads them
// in a picture of the whole page.
func (b *tab) qrCodes() []string {
	b.Helper()
	raw, err := chromedp.Run(b.limited(), chromedp.FullScreenshot(100))
	b.must(err)
	img, err := png.Decode(bytes.NewReader(raw))
	b.must(err)
	return b.readQR(img)
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
	site, err := web.New(web.Config{Pages: fstest.MapFS{"qr.html": {Data: []byte(qrPage)}}, Log: slog.New(slog.DiscardHandler)})
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
