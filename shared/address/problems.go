package address

import (
	"strings"

	"github.com/todoku/todoku/shared/problem"
)

// What a person is told about an address that cannot be used: what is wrong, and
// what to do. Domains may be quoted, local parts never are.
var (
	problemEmpty = problem.New(problem.Invalid,
		"メールアドレスを入力してください。",
		"Enter an email address.")
	problemTooLarge = problem.New(problem.TooLarge,
		"文字が多すぎます。メールアドレスだけを入力してください。",
		"That is too much text. Enter the email address only.")
	problemGarbled = problem.New(problem.Invalid,
		"文字化けしているため読み取れません。メールアドレスを入力し直してください。",
		"The text is garbled and cannot be read. Type the email address again.")
	problemControl = problem.New(problem.Invalid,
		"目に見えない文字が混ざっています。貼り付けずに、メールアドレスを手で入力してください。",
		"There is an invisible character in it. Type the email address instead of pasting it.")
	problemSeveral = problem.New(problem.Invalid,
		"メールアドレスが二つ以上あります。ここには一つだけ入力してください。",
		"There is more than one email address. Enter only one here.")
	problemStray = problem.New(problem.Invalid,
		"メールアドレスの前か後ろに、ほかの文字があります。途中に空白があれば詰め、アドレス以外の文字は消してください。",
		"There is other text before or after the email address. Close up any space inside it and remove what is not part of it.")
	problemNoAt = problem.New(problem.Invalid,
		"「@」がありません。「taro@example.com」のように、「@」とその後ろまで入力してください。",
		"There is no @ sign. Enter the whole address, with the @ and what follows it, like taro@example.com.")
	problemSpelledAt = problem.New(problem.Invalid,
		"「@」がありません。(at) などと書かれているところを「@」に直してください。",
		"There is no @ sign. Write @ where it says (at).")
	problemTwoAts = problem.New(problem.Invalid,
		"一つのアドレスに「@」が二つ以上あります。余分な「@」を消すか、アドレスが二つなら間を「、」で区切ってください。",
		"There is more than one @ sign in one address. Remove the extra one, or put a comma between two addresses.")
	problemNoLocal = problem.New(problem.Invalid,
		"「@」の前が空です。アドレスの初めから入力してください。",
		"There is nothing before the @ sign. Enter the address from its beginning.")
	problemNoDomain = problem.New(problem.Invalid,
		"「@」の後ろが空です。「docomo.ne.jp」や「gmail.com」のような部分まで入力してください。",
		"There is nothing after the @ sign. Enter the part that follows it too, such as docomo.ne.jp or gmail.com.")
	problemNotASCII = problem.New(problem.Invalid,
		"「@」の前に、ひらがな・漢字など使えない文字があります。お名前は消し、アドレスを半角の英数字で入力してください。",
		"There are letters before the @ sign that cannot be used, such as Japanese ones or letters with accents. Remove the name and enter the address in plain letters and digits.")
	problemTooLong = problem.New(problem.Invalid,
		"長すぎて、メールアドレスとして使えません。余分な文字が続いていないか確かめてください。",
		"This is too long to be an email address. Check whether other text is attached to it.")
	problemIPAddress = problem.New(problem.Invalid,
		"「@」の後ろが数字だけのアドレスには送れません。「docomo.ne.jp」のような名前で終わるアドレスを入力してください。",
		"Mail cannot be sent to an address with only numbers after the @ sign. Enter one that ends in a name, such as docomo.ne.jp.")
	problemDomainDots = problem.New(problem.Invalid,
		"「@」の後ろに余分な「.」があります。消してください。",
		"There is a dot too many after the @ sign. Remove it.")
	problemBadDomain = problem.New(problem.Invalid,
		"「@」の後ろに使えない文字があります。半角の英数字と「.」「-」で入力し直してください。",
		"There is something after the @ sign that cannot be used. Enter it again in letters, digits, dots and hyphens.")
)

var spelledAt = strings.NewReplacer(" ", "", "[", "(", "]", ")")

// noAt chooses the sentence for a text without any @.
func noAt(text string) *problem.Error {
	text = strings.ToLower(spelledAt.Replace(text))
	for _, at := range []string{"(at)", "(a)", "アットマーク", "★", "☆"} {
		if strings.Contains(text, at) {
			return problemSpelledAt
		}
	}
	return problemNoAt
}

// badCharacter names the ASCII character that no local part has.
func badCharacter(r rune) *problem.Error {
	return problem.New(problem.Invalid,
		"「@」の前に「%c」は使えません。消すか、正しい文字に直してください。",
		"The character %c cannot be used before the @ sign. Remove it or correct it.", r)
}

// cutShort is about a domain that is not complete, and says which one it may be.
func cutShort(domain string) *problem.Error {
	if whole, ok := complete(domain); ok {
		return problem.New(problem.Invalid,
			"「@」の後ろが途中で切れています。「%s」ではありませんか。最後まで入力してください。",
			"The part after the @ sign is cut short. Is it %s? Enter it to the end.", whole)
	}
	return problem.New(problem.Invalid,
		"「@」の後ろが途中で切れています。「docomo.ne.jp」や「gmail.com」のように、最後まで入力してください。",
		"The part after the @ sign is cut short. Enter it to the end, like docomo.ne.jp or gmail.com.")
}

// dotsNotAllowed is about dots that only certain carriers allow; perhaps one of
// them is meant.
func dotsNotAllowed(a Address) *problem.Error {
	if better, ok := Suggest(a); ok && allowsDots(better.Domain) {
		return problem.New(problem.Invalid,
			"「@」の後ろは「%s」ではありませんか。アドレスを確かめて、入力し直してください。",
			"Is the part after the @ sign %s? Check the address and enter it again.", better.Domain)
	}
	return problem.New(problem.Invalid,
		"「.」が続くアドレスや、「@」の直前・先頭が「.」のアドレスは、「%s」では使われていません。「.」の数と場所を確かめてください。",
		"Addresses at %s have no two dots in a row and no dot at the beginning or just before the @ sign. Check the dots.", a.Domain)
}
