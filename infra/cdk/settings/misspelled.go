package settings

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Misspelled returns, for keys of the context that look like one of Keys but are
// none, the one that was meant. The CDK itself takes any key without a word.
func Misspelled(context map[string]any) map[string]string {
	meant := map[string]string{}
	known := map[string]string{}
	for _, k := range Keys {
		known[plain(k)] = k
	}
	for k := range context {
		if want, ok := known[plain(k)]; ok && want != k {
			meant[k] = want
		}
	}
	return meant
}

// plain returns a key without what people get wrong: case, hyphens, a plural.
func plain(key string) string {
	s := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key))
	return strings.TrimSuffix(s, "s")
}

// compact returns JSON without blanks, and what is not JSON as it is: package lane
// says where it is wrong.
func compact(text []byte) string {
	var b bytes.Buffer
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}
