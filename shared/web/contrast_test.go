package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var colourPattern = regexp.MustCompile(`--([a-z-]+):#([0-9a-f]{3,6})[;}]`)

// colours returns the named colours of the style sheet.
func colours(t *testing.T) map[string]string {
	t.Helper()
	named := map[string]string{}
	for _, m := range colourPattern.FindAllStringSubmatch(string(assets["style.css"].body), -1) {
		named[m[1]] = m[2]
	}
	return named
}

// luminance is the relative luminance of a colour (WCAG 2.2, "relative luminance").
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// Text stands out from its ground by 4.5:1 (WCAG 2.2, 1.4.3), and the lines of
// fields by 3:1 (1.4.11).
func TestContrast(t *testing.T) {
	named := colours(t)
	tests := []struct {
		text, ground string
		least        float64
	}{
		{"ink", "paper", 4.5}, {"ink", "ground", 4.5}, {"ink", "blue-pale", 4.5}, {"ink", "red-pale", 4.5}, {"ink", "green-pale", 4.5}, {"ink", "amber-pale", 4.5},
		{"quiet", "paper", 4.5}, {"quiet", "ground", 4.5}, {"quiet", "red-pale", 4.5}, {"quiet", "blue-pale", 4.5}, {"quiet", "green-pale", 4.5},
		{"blue", "paper", 4.5}, {"blue", "ground", 4.5}, {"blue", "blue-pale", 4.5}, {"blue-deep", "blue-pale", 4.5},
		{"red", "paper", 4.5}, {"green", "paper", 4.5}, {"amber", "paper", 4.5}, {"slate", "paper", 4.5},
		{"paper", "blue", 4.5}, {"paper", "blue-deep", 4.5}, {"paper", "red", 4.5}, {"paper", "red-deep", 4.5},
		{"slate", "paper", 3}, {"line", "paper", 3},
	}
	for _, tt := range tests {
		t.Run(tt.text+" on "+tt.ground, func(t *testing.T) {
			if named[tt.text] == "" || named[tt.ground] == "" {
				t.Fatal("the style sheet has no such colour")
			}
			a, b := luminance(t, named[tt.text]), luminance(t, named[tt.ground])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < tt.least {
				t.Errorf("%.2f:1, less than %.1f:1", ratio, tt.least)
			}
		})
	}
}

// TestHidden: what is hidden until a script shows it stays so, whatever it is displayed as.
func TestHidden(t *testing.T) {
	if !strings.Contains(string(assets["style.css"].body), "[hidden]{display:none!important}") {
		t.Error("a button with a display of its own is seen though it is hidden")
	}
}

// The style sheet stays small: a page may be 50 KB with it (functions/console/pages_test.go).
func TestStyleSize(t *testing.T) {
	const limit = 20_000
	if n := len(assets["style.css"].body); n > limit {
		t.Errorf("%d bytes, more than %d", n, limit)
	}
}
