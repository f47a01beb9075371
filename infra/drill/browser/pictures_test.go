//go:build shots

package browser

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "../../../docs/images", "folder for the pictures")

// TestPictures takes the pictures that the READMEs show, and with -every those of
// all pages in both languages:
//
//	go test -tags shots -run TestPictures ./infra/drill/browser
func TestPictures(t *testing.T) {
	s := stage(newOffice(t))
	people := s.people(t, "ja")
	b := people[manager]
	b.goTo("/alerts/" + s.status)
	b.look(screen{"desktop", 1000, 1260, false})
	wide := b.picture()
	b.look(screen{"phone", 360, 1260, true})
	save(t, "status.png", beside(wide, b.picture()))
	b = people[guardian]
	b.look(screen{"phone", 360, 780, true})
	b.goTo(s.one)
	before := b.picture()
	submit(".answers button")(b)
	save(t, "answer.png", beside(before, b.picture()))
}

// every is where pictures of all pages go, or of those whose names match only.
var (
	every = flag.String("every", "", "folder for pictures of every page")
	only  = flag.String("only", "", "regular expression of the names of pages")
)

// TestEveryPicture takes pictures of all pages, for people to look at.
func TestEveryPicture(t *testing.T) {
	if *every == "" {
		return
	}
	*pictures = *every
	wanted := regexp.MustCompile(*only)
	s := stage(newOffice(t))
	take := func(stops func() []stop) {
		for _, language := range []string{"ja", "en"} {
			people := s.people(t, language)
			for _, p := range stops() {
				b := people[p.who]
				b.visit(t, p)
				if !wanted.MatchString(p.name) {
					continue
				}
				save(t, p.name+"-"+language+".png", b.whole())
				b.fontSize(twice)
				save(t, p.name+"-"+language+"-large.png", b.whole())
				b.fontSize(usual)
				b.look(desktop)
				save(t, p.name+"-"+language+"-desktop.png", b.whole())
				b.look(phone)
			}
		}
	}
	take(func() []stop { return staffPages(t, s) })
	take(func() []stop { return pages(t, s) })
	trouble := s.inTrouble()
	take(func() []stop { return trouble })
}

// picture returns what is on the screen; whole, all of the page.
func (b *tab) picture() image.Image {
	b.Helper()
	return b.decode(chromedp.CaptureScreenshot())
}

func (b *tab) whole() image.Image {
	b.Helper()
	s := b.screen
	defer b.look(s)
	b.look(screen{s.name, s.width, run[int64](b, "document.documentElement.scrollHeight"), s.finger})
	return b.picture()
}

func (b *tab) decode(a chromedp.Action[[]byte]) image.Image {
	b.Helper()
	raw, err := chromedp.Run(b.limited(), a)
	b.must(err)
	img, err := png.Decode(bytes.NewReader(raw))
	b.must(err)
	return img
}

// beside puts pictures side by side on grey.
func beside(images ...image.Image) image.Image {
	const gap = 24
	size := image.Pt(gap, 0)
	for _, i := range images {
		size = image.Pt(size.X+i.Bounds().Dx()+gap, max(size.Y, i.Bounds().Dy()+2*gap))
	}
	all := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(all, all.Bounds(), image.NewUniform(color.Gray{0xd0}), image.Point{}, draw.Src)
	at := image.Pt(gap, gap)
	for _, i := range images {
		draw.Draw(all, i.Bounds().Add(at), i, i.Bounds().Min, draw.Src)
		at.X += i.Bounds().Dx() + gap
	}
	return all
}

// save writes a picture with 256 colours, which is all that pages have.
func save(t *testing.T, name string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, reduce(img)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d KB", name, b.Len()>>10)
}

// reduce keeps the most frequent colours.
func reduce(img image.Image) *image.Paletted {
	const most = 256
	seen := map[color.RGBA]int{}
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			seen[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	var colours color.Palette
	for c := range seen {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.Color) int { return seen[b.(color.RGBA)] - seen[a.(color.RGBA)] })
	p := image.NewPaletted(r, colours[:min(most, len(colours))])
	draw.Draw(p, r, img, r.Min, draw.Src)
	return p
}
