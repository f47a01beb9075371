// Package reply finds the answer in what a guardian writes back to an alert's mail, if
// it is beyond doubt.
//
// A reply answers only if nothing is left of it, without what it quotes and what the
// mail program put under it, but an answer: a choice's number or its words, or one of
// the few words that people say for it. Everything else is for a person to read. So
// "無事ではない" answers nothing, and neither do "無事ですが、迎えに行けません" and "無事？".
package reply

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/alert"
)

// Question is what was asked.
type Question struct {
	Subject string // of the alert's mail
	Choices []alert.Choice
	// Names are of the family's people: a line that says no more than one of them is a
	// signature.
	Names []string
}

// Read returns the choice that a reply says, and what the person wrote, without
// quotations. ok is false if it is not clear.
//
// An empty reply answers if there is one answer to give: that it was read. Of whether
// a child is safe it says nothing.
func (q Question) Read(subject, text string) (choice alert.Choice, wrote string, ok bool) {
	wrote = Own(text)
	if utf8.RuneCountInString(wrote) > longest {
		return alert.Choice{}, wrote, false
	}
	said := q.unsigned(wrote)
	if said == "" {
		if own := q.ownSubject(subject); own != "" {
			said, wrote = own, own
		}
	}
	if said == "" {
		if len(q.Choices) == 1 && !q.Choices[0].Help {
			return q.Choices[0], wrote, true
		}
		return alert.Choice{}, wrote, false
	}
	if doubted(said) {
		return alert.Choice{}, wrote, false
	}
	choice, ok = q.choice(fold(said))
	return choice, wrote, ok
}

// longest is how many characters can answer. Whoever writes more has more to say, if only
// in signs that are otherwise passed over.
const longest = 500

// ownSubject returns what a person wrote into the subject, "" if it is that of the
// alert's mail.
func (q Question) ownSubject(subject string) string {
	s := strings.TrimSpace(replyMark.ReplaceAllString(subject, ""))
	if s != strings.TrimSpace(subject) || q.Subject != "" && strings.Contains(s, q.Subject) {
		return ""
	}
	return s
}

// replyMark begins the subject of a reply.
var replyMark = regexp.MustCompile(`^(?i:\s*(?:re|ｒｅ|aw|fwd?|返信|回信)(?:\[\d+\])?\s*[:：])+`)

// choice returns the choice that a folded text says.
func (q Question) choice(said string) (alert.Choice, bool) {
	var found []alert.Choice
	for i, c := range q.Choices {
		if says(said, i+1, c) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return alert.Choice{}, false
	}
	return found[0], true
}

// says reports whether a folded text is the n-th choice's number, its words or both.
func says(said string, n int, c alert.Choice) bool {
	rest, numbered := strings.CutPrefix(said, strconv.Itoa(n))
	if numbered && (rest == "" || !unicode.IsDigit([]rune(rest)[0])) {
		rest = fold(strings.TrimPrefix(strings.TrimPrefix(rest, "番"), "です"))
		if rest == "" {
			return true
		}
		said = rest
	}
	if said == fold(c.JA) || said == fold(c.EN) && c.EN != "" {
		return true
	}
	for _, w := range words[c.ID] {
		if said == fold(w) {
			return true
		}
	}
	return false
}

// words are what people say for the standard answers, folded.
var words = map[string][]string{
	"safe": {
		"無事", "無事です", "無事でした", "無事だよ", "ぶじ", "ぶじです", "全員無事", "全員無事です", "みんな無事です", "子どもは無事です", "子供は無事です",
		"大丈夫", "大丈夫です", "安全", "安全です", "異常なし", "異常ありません", "問題なし", "問題ありません", "安否確認無事です",
		"ok", "okです", "オッケー", "オーケー", "safe", "we are safe", "i am safe", "all safe", "fine", "we are fine", "all ok",
	},
	"help": {"助けて", "助けてください", "助けが必要", "救助", "救助が必要です", "help", "help me", "need help", "needs help", "we need help", "sos"},
	"read": {
		"確認", "確認しました", "確認いたしました", "確認済み", "了解", "了解です", "了解しました", "了解いたしました", "承知しました", "承知いたしました",
		"読みました", "拝見しました", "わかりました", "分かりました", "はい", "ok", "okです", "read", "i have read this", "confirmed", "understood",
	},
}

// fold makes equal what means the same: wide and narrow, large and small, and what
// stands around.
func fold(s string) string {
	s = strings.ToLower(norm.NFKC.String(s))
	s = strings.Join(strings.Fields(s), " ")
	return strings.TrimFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) || r == 'ー' || r == '-'
	})
}

// doubted reports whether a text has a mark that turns what it says into a question or its
// opposite: "無事？" asks, and "無事×" denies.
func doubted(said string) bool {
	return strings.ContainsAny(norm.NFKC.String(said), "?⁇❓❔⁉×✕✖✗✘❌❎🙅👎🆘≠")
}

// unsigned returns what is left without names under it.
func (q Question) unsigned(wrote string) string {
	lines := strings.Split(wrote, "\n")
	for len(lines) > 1 && (fold(lines[len(lines)-1]) == "" || q.isName(lines[len(lines)-1])) {
		lines = lines[:len(lines)-1]
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// isName reports whether a line names somebody of the family and says no more.
func (q Question) isName(line string) bool {
	said := strings.TrimSuffix(bare(line), "より")
	if said == "" {
		return false
	}
	for _, name := range q.Names {
		if said == bare(name) {
			return true
		}
		for part := range strings.FieldsSeq(norm.NFKC.String(name)) {
			if said == bare(part) || said == bare(part)+"の母" || said == bare(part)+"の父" {
				return true
			}
		}
	}
	return false
}

func bare(s string) string { return strings.ReplaceAll(fold(s), " ", "") }
