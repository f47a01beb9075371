package qr

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

var command = regexp.MustCompile(`([Mmh])(\d+)(?: (\d+)(\.5)?)?`)

// render draws a code as a browser does: each module scale pixels wide.
func render(t *testing.T, c Code, scale int) image.Image {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, c.Size*scale, c.Size*scale))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	x, y := 0, 0
	for _, m := range command.FindAllStringSubmatch(c.Path, -1) {
		n := number(m[2])
		switch m[1] {
		case "M":
			x, y = n, number(m[3])
		case "m":
			x += n
		case "h":
			run := image.Rect(x*scale, y*scale, (x+n)*scale, (y+1)*scale)
			draw.Draw(img, run, image.NewUniform(color.Black), image.Point{}, draw.Src)
			x += n
		}
	}
	if rest := command.ReplaceAllString(c.Path, ""); rest != "" {
		t.Fatalf("the path has something else: %q", rest)
	}
	return img
}

// decode reads a picture with a decoder that shares nothing with the encoder.
func decode(t *testing.T, img image.Image) string {
	t.Helper()
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bits, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read.GetText()
}

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		text string
		size int
	}{
		"one sign":        {"a", 21 + 8},
		"capitals":        {"HTTPS://TODOKU.EXAMPLE.JP/R/ABCD-EFGH-JKLM", 29 + 8},
		"registration":    {"https://todoku.example.ed.jp/register/ABCD-EFGH-JKLM", 33 + 8},
		"mail":            {"mailto:abcdefghjklm@in.todoku.example.ed.jp", 33 + 8},
		"mail with words": {"mailto:abcdefghjklm@in.todoku.example.ed.jp?subject=Todoku&body=%E7%99%BB%E9%8C%B2", 37 + 8},
		"the longest":     {strings.Repeat("a", MaxText), 57 + 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := New(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if c.Size != tt.size {
				t.Errorf("%d modules wide, want %d", c.Size, tt.size)
			}
			if got := decode(t, render(t, c, 4)); got != tt.text {
				t.Errorf("read %q, want %q", got, tt.text)
			}
			const limit = 8 << 10 // an address takes a quarter
			if len(c.Path) > limit || tt.size == 41 && len(c.Path) > limit/4 {
				t.Errorf("the path has %d bytes", len(c.Path))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "too long": strings.Repeat("a", MaxText+1), "Japanese": "登録", "a line break": "https://a\n",
	} {
		if c, err := New(text); !errors.Is(err, ErrText) || c.Path != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
