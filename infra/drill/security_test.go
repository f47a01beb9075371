package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// asvs is how many items each section of OWASP ASVS 5.0.0 has, of the chapters that
// docs/security.md answers, and which of them are of level 3 only.
var asvs = map[string]struct {
	items int
	three string
}{
	"2.1": {3, ""}, "2.2": {3, ""}, "2.3": {5, "5"}, "2.4": {2, "2"},
	"3.2": {3, "3"}, "3.3": {5, "5"}, "3.4": {8, "7 8"}, "3.5": {8, "6 7 8"}, "3.7": {5, "3 4 5"},
	"6.1": {3, ""}, "6.2": {12, ""}, "6.3": {8, "5 6 7 8"}, "6.4": {6, "5 6"}, "6.5": {8, "6 7 8"}, "6.6": {4, "4"}, "6.8": {4, ""},
	"7.1": {3, ""}, "7.2": {4, ""}, "7.3": {2, ""}, "7.4": {5, ""}, "7.5": {3, "3"}, "7.6": {2, ""},
	"8.1": {4, "3 4"}, "8.2": {4, "4"}, "8.3": {3, "2 3"}, "8.4": {2, "2"},
	"10.1": {2, ""}, "10.2": {3, "3"}, "10.3": {5, "5"}, "10.4": {16, "12 13 14 15 16"}, "10.5": {5, ""}, "10.6": {2, ""}, "10.7": {3, ""},
}

var (
	asvsRow   = regexp.MustCompile(`(?m)^\| ([0-9., to]+) \| (met|n/a|not met) \| (.*) \|$`)
	asvsItem  = regexp.MustCompile(`^(\d+\.\d+)\.(\d+)(?: to \d+\.\d+\.(\d+))?$`)
	namedFile = regexp.MustCompile("`((?:shared|functions|infra|docs)/[A-Za-z0-9_./-]+)`")
)

// TestSecurityDocument: every item of level 1 and 2 is answered once, and what is named
// is there.
func TestSecurityDocument(t *testing.T) {
	for _, name := range []string{"security.md", "threat-model.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedFile.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
		if name == "security.md" {
			checkItems(t, string(text))
		}
	}
}

func checkItems(t *testing.T, text string) {
	t.Helper()
	answered := map[string]int{}
	for _, row := range asvsRow.FindAllStringSubmatch(text, -1) {
		if strings.TrimSpace(row[3]) == "" {
			t.Errorf("%s is %s, and nothing is said", row[1], row[2])
		}
		for one := range strings.SplitSeq(row[1], ", ") {
			m := asvsItem.FindStringSubmatch(one)
			if m == nil {
				t.Errorf("what is %q?", one)
				continue
			}
			first, _ := strconv.Atoi(m[2])
			last := first
			if m[3] != "" {
				last, _ = strconv.Atoi(m[3])
			}
			for i := first; i <= last; i++ {
				answered[fmt.Sprintf("%s.%d", m[1], i)]++
			}
		}
	}
	want := 0
	for section, s := range asvs {
		for i := 1; i <= s.items; i++ {
			item := fmt.Sprintf("%s.%d", section, i)
			if strings.Contains(" "+s.three+" ", fmt.Sprintf(" %d ", i)) {
				continue
			}
			want++
			if answered[item] != 1 {
				t.Errorf("%s is answered %d times", item, answered[item])
			}
		}
	}
	if len(answered) != want {
		t.Errorf("%d items are answered, there are %d", len(answered), want)
	}
}
