// Package qr draws addresses as QR codes: as the path of an SVG picture that stands
// in the page itself, so that it prints sharp at every size, and asks no other
// site. The template "qr" of package web shows it.
package qr

import (
	"errors"
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

const (
	// MaxText is the longest text, in bytes: what version 10 holds at level M (ISO/IEC
	// 18004, table 7). At the 28 mm that the style sheet gives a code, its modules
	// are 0.43 mm wide, five dots of a 300 dpi printer; an address of 60 bytes,
	// version 4, has modules of 0.68 mm.
	MaxText = 213
	// quiet is the width of the margin that the standard asks for, in modules.
	quiet = 4
)

// ErrText is the error of New for a text that is no address: empty, too long, or
// with other than printable ASCII.
var ErrText = errors.New("qr: the text is not 1 to 213 bytes of printable ASCII")

// Code is a QR code, drawn.
type Code struct {
	Size int    // width and height with the margin, in modules
	Path string // SVG path of strokes one module wide
	// Label says what the code is to those who do not see it; whoever shows the
	// code sets it.
	Label string
}

// New draws text, which the code shows as it is: an https or mailto address. Level M
// restores 15 % of the code, which a fold or a stain costs. A text of nothing but
// capitals, digits, space and $%*+-./: makes a coarser code than one with small
// letters.
func New(text string) (Code, error) {
	if text == "" || len(text) > MaxText || strings.ContainsFunc(text, notPrintable) {
		return Code{}, ErrText
	}
	drawn, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return Code{}, fmt.Errorf("qr: %w", err)
	}
	size := drawn.Bounds().Dx()
	return Code{Size: size + 2*quiet, Path: path(size, func(x, y int) bool { return dark(drawn, x, y) })}, nil
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

func dark(b barcode.Barcode, x, y int) bool { return b.At(x, y) == color.Black }

// path strokes each run of dark modules through the middle of its row. Moves
// within a row are relative, which makes the path half as long.
func path(size int, dark func(x, y int) bool) string {
	var p strings.Builder
	for y := range size {
		at := -1 // where the last run of this row ended
		for x := 0; x < size; x++ {
			if !dark(x, y) {
				continue
			}
			from := x
			for x < size && dark(x, y) {
				x++
			}
			if at < 0 {
				fmt.Fprintf(&p, "M%d %d.5", from+quiet, y+quiet)
			} else {
				fmt.Fprintf(&p, "m%d 0", from-at)
			}
			fmt.Fprintf(&p, "h%d", x-from)
			at = x
		}
	}
	return p.String()
}
