package roster

import (
	"regexp"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

var (
	phoneForm  = regexp.MustCompile(`^\+?[0-9][0-9 ()\-]*[0-9]$`)
	phoneMarks = strings.NewReplacer("‐", "-", "−", "-", "–", "-", "—", "-", "―", "-", "ー", "-", ".", "-", "[", "(", "]", ")")
	notDigits  = regexp.MustCompile(`[^0-9+]`)
	brackets   = strings.NewReplacer("(", " ", ")", " ", "[", " ", "]", " ", "<", " ", ">", " ")
	// A number among words, with the marks that phoneMarks knows.
	phoneAmong = regexp.MustCompile(`\+?[(\[]?[0-9][0-9 ()\[\].\-‐−–—―ー]*[0-9]`)
	extension  = regexp.MustCompile(`(?i)(?:内線番号|内線|extension|ext|x|#)[ :.]*([0-9]{1,6})`)
)

// minPhoneDigits is how many digits a number has without the 0 that a spreadsheet drops.
const minPhoneDigits = 9

// parsePhone returns a phone number in ASCII with its hyphens. A number in Japan
// begins with 0; a spreadsheet that took it for a number has dropped that, and it
// is repaired.
func parsePhone(text string) (phone string, repaired bool, err *problem.Error) {
	s := strings.ReplaceAll(phoneMarks.Replace(narrow(text)), "(0)", "0")
	s = strings.Trim(s, "- ")
	if strings.HasPrefix(s, "(") {
		s = strings.Replace(strings.TrimPrefix(s, "("), ")", "-", 1)
	}
	n := len(phoneKey(s))
	switch {
	case !phoneForm.MatchString(s), n < minPhoneDigits, n > 16, len(s) > MaxPhoneLength:
	case strings.HasPrefix(s, "+"), strings.HasPrefix(s, "0") && n >= 10 && n <= 11:
		return strings.ReplaceAll(s, " ", ""), false, nil
	case !strings.HasPrefix(s, "0") && n <= 10:
		return "0" + strings.ReplaceAll(s, " ", ""), true, nil
	}
	return "", false, problem.New(problem.Invalid, "電話番号「%.40s」は番号として読めません。市外局番からの数字を入れるか、空にしてください。",
		"“%.40s” cannot be read as a phone number. Please write all of its digits, or leave it out.", clean(text))
}

// phoneKey returns the digits of a phone number, which tell it from others.
func phoneKey(phone string) string { return notDigits.ReplaceAllString(phone, "") }

// cutPhone returns the one number in a text, the words that stand beside it, such as 母
// or 自宅, and an extension. A text with other digits is returned as it is.
func cutPhone(text string) (number, remark, ext string) {
	s := narrow(text)
	found := phoneAmong.FindAllStringIndex(s, -1)
	found = slices.DeleteFunc(found, func(at []int) bool { return len(phoneKey(s[at[0]:at[1]])) < minPhoneDigits })
	if len(found) != 1 {
		return text, "", ""
	}
	number, beside := s[found[0][0]:found[0][1]], s[:found[0][0]]+" "+s[found[0][1]:]
	if m := extension.FindStringSubmatch(beside); m != nil {
		ext, beside = m[1], strings.Replace(beside, m[0], "", 1)
	}
	if strings.ContainsAny(beside, decimals+"@=+") {
		return text, "", ""
	}
	return number, strings.Trim(clean(brackets.Replace(beside)), " :;-.・"), ext
}

// remarks are the words beside phone numbers in a sheet.
type remarks struct {
	count int
	words []string // the first of them
}

func (r *remarks) add(word string) {
	if word == "" {
		return
	}
	r.count++
	if len(r.words) <= mostNamed {
		r.words = addNew(r.words, shorten(word))
	}
}

func shorten(word string) string {
	const most = 20 // characters
	if runes := []rune(word); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return word
}

// warnRemarks says once what is lost of all cells.
func (rr *rowReader) warnRemarks() {
	if r := rr.remarks; r.count > 0 {
		who := some(r.words)
		rr.warn(0, Phone, lang.T("電話番号に添えられた言葉は、名簿に残りません（%[1]d件：%[2]s）。だれの番号かは、保護者の氏名や続柄の列に入れてください。",
			"Words beside phone numbers are not kept (%[1]d: %[3]s). Please say whose a number is in the columns for guardians and relations.", r.count, who.JA, who.EN))
	}
}

func (rr *rowReader) readPhones(p *party, row int, cell string) {
	for _, text := range split(cell) {
		if isNothing(text) {
			continue
		}
		number, remark, ext := cutPhone(text)
		phone, repaired, err := parsePhone(number)
		if err != nil {
			rr.fail(row, Phone, err)
			return // a cell of something else would give a fault for each of its words
		}
		rr.remarks.add(remark)
		if ext != "" {
			rr.warn(row, Phone, lang.T("内線は名簿に残らないので、電話番号は %s だけを入れます（内線%s）。",
				"Extensions are not kept. Of this phone number, only %s is taken (extension %s).", phone, ext))
		}
		if repaired {
			rr.warn(row, Phone, lang.T("電話番号の先頭の0がなかったので補いました: %s（Excelは先頭の0を消すことがあります）。",
				"The first 0 of a phone number was missing and has been added: %s (Excel may drop it).", phone))
		}
		p.phones = addPhones(p.phones, phone)
		if len(p.phones) > MaxPhones {
			rr.fail(row, Phone, checkPhones(p.phones))
			return
		}
	}
}
