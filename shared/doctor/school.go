package doctor

import (
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
)

// Domains returns the domains of the schools' From addresses, each once, in order.
func Domains(schools []roster.School) (domains []string) {
	for _, s := range schools {
		domains = append(domains, strings.ToLower(s.Mail[strings.LastIndexByte(s.Mail, '@')+1:]))
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

const noSchool = "no-school"

// NoSchool is the finding that no domain could be looked at, if there is no school: that
// nothing else is found is no good news then.
func NoSchool(schools []roster.School) []Finding {
	if len(schools) > 0 {
		return nil
	}
	return []Finding{{
		Check: "spf", ID: noSchool, Level: Unknown, Link: "https://www.rfc-editor.org/rfc/rfc7489",
		What: lang.T("学校がまだないため、送信元ドメインのSPF・DKIM・DMARCは調べていません。", "There is no school yet, so SPF, DKIM and DMARC of its domain were not looked at."),
		Why:  lang.T("足りないものがあれば、保護者にメールが届きません。", "If something is missing there, mail does not reach guardians."),
		Fix:  lang.T("最初のサインイン用リンク（todoku sign-in）を作ると学校が登録され、まもなく自動で調べます。", "Make the first sign-in link (todoku sign-in), which makes the school: its domain is looked at soon after."),
	}}
}
