package incoming

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
)

// alias are names of charsets that Japanese programs use and the list of the WHATWG
// lacks.
var alias = map[string]string{
	"cp932": "shift_jis", "windows-932": "shift_jis", "sjis-win": "shift_jis",
	"iso-2022-jp-ms": "iso-2022-jp", "iso-2022-jp-1": "iso-2022-jp", "cp50220": "iso-2022-jp", "cp50221": "iso-2022-jp",
	"eucjp-win": "euc-jp", "cp51932": "euc-jp",
}

// decode returns text as UTF-8. Of a charset that is not known, or not given, it is
// guessed among those that are used in Japan.
func decode(s, charset string) string {
	if out, err := encodingOf(s, charset).NewDecoder().String(s); err == nil {
		return strings.ToValidUTF8(out, "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func encodingOf(s, charset string) encoding.Encoding {
	charset = strings.ToLower(strings.TrimSpace(charset))
	if name, ok := alias[charset]; ok {
		charset = name
	}
	if e, err := htmlindex.Get(charset); err == nil && charset != "us-ascii" && charset != "ascii" {
		return e
	}
	switch {
	case strings.Contains(s, "\x1b$"), strings.Contains(s, "\x1b("):
		return japanese.ISO2022JP
	case utf8.ValidString(s):
		return encoding.Nop
	}
	return japanese.ShiftJIS
}

// charsetReader is decode for encoded words (RFC 2047).
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxText))
	return strings.NewReader(decode(string(raw), charset)), err
}
