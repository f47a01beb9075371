package doctor

import (
	"context"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"

	"github.com/todoku/todoku/shared/lang"
)

const rfcDMARC = "https://www.rfc-editor.org/rfc/rfc7489#section-"

// dmarc looks at the policy of the From domain, and whether mail passes it.
func (x *exam) dmarc(ctx context.Context, m Mail, v verdicts) {
	p, found, ok := x.policy(ctx, m)
	if !ok {
		return
	}
	if !found {
		x.find(Finding{
			Check: "dmarc", ID: "dmarc-missing", Level: Warn, About: m.From, Link: rfcDMARC + "6.3",
			What:   lang.T("%s にDMARCレコードがありません。", "%s has no DMARC record.", m.From),
			Why:    lang.T("GmailとMicrosoftは、DMARCのないドメインからの多数のメールを拒否します。docomo、au、SoftBankも確かめています。", "Gmail and Microsoft refuse mail to many from a domain without DMARC. docomo, au and SoftBank check it, too."),
			Fix:    lang.T("次のレコードをDNSに追加してください。p=none は、確かめるだけで誰も止めません。", "Add this record to DNS. With p=none it is checked, and nothing is stopped."),
			Record: line("_dmarc."+m.From, "TXT", `"v=DMARC1; p=none"`),
		})
	}
	if p.passes(m, v) {
		if found {
			x.note("dmarc", m.From, lang.Text{JA: "DMARCに通ります（p=" + string(p.name) + "。" + p.means.JA + "）。", EN: "Mail passes DMARC (p=" + string(p.name) + ": " + p.means.EN + ")."})
		}
		return
	}
	x.find(unaligned(m, v, p))
}

// policy is what a domain asks receivers to do.
type policy struct {
	dmarc.Record
	name  dmarc.Policy
	means lang.Text
}

func (p policy) passes(m Mail, v verdicts) bool {
	return v.dkim == passes || v.spf == passes && aligned(m.envelope(), m.From, p.SPFAlignment)
}

var policies = map[dmarc.Policy]lang.Text{
	dmarc.PolicyNone:       {JA: "通らないメールも受け取られますが、迷惑メールに入りやすくなります", EN: "mail that does not pass is taken, and more likely filed as spam"},
	dmarc.PolicyQuarantine: {JA: "通らないメールは迷惑メールに入ります", EN: "mail that does not pass is filed as spam"},
	dmarc.PolicyReject:     {JA: "通らないメールは拒否されます", EN: "mail that does not pass is refused"},
}

// policy returns the policy of a domain, or else of the domain that was registered.
func (x *exam) policy(ctx context.Context, m Mail) (p policy, found, ok bool) {
	for i, domain := range []string{m.From, organisation(m.From)} {
		if i > 0 && domain == m.From {
			break
		}
		records, err := x.txt(ctx, "_dmarc."+domain)
		if err != nil {
			x.find(silent("dmarc", "_dmarc."+domain))
			return p, false, false
		}
		records = dmarcOnly(records)
		if len(records) == 0 {
			continue
		}
		r, err := dmarc.Parse(records[0])
		if err != nil || len(records) > 1 {
			x.find(badDMARC(domain, records))
			return p, false, false
		}
		p.Record, p.name = *r, r.Policy
		if i > 0 && r.SubdomainPolicy != "" {
			p.name = r.SubdomainPolicy
		}
		p.means = policies[p.name]
		return p, true, true
	}
	p.name, p.means = dmarc.PolicyNone, policies[dmarc.PolicyNone]
	return p, false, true
}

func dmarcOnly(records []string) (only []string) {
	for _, r := range records {
		if strings.HasPrefix(strings.ReplaceAll(r, " ", ""), "v=DMARC1") {
			only = append(only, r)
		}
	}
	return only
}

func badDMARC(domain string, records []string) Finding {
	f := Finding{
		Check: "dmarc", ID: "dmarc-broken", Level: Fail, About: "_dmarc." + domain, Link: rfcDMARC + "6.3",
		What:   lang.T("_dmarc.%s のレコードを読み取れません: %s", "The record at _dmarc.%s cannot be read: %s", domain, records[0]),
		Why:    lang.T("受信側はこのドメインにDMARCがないものとして扱い、GmailとMicrosoftは多数あてのメールを拒否します。", "Receivers act as if there were no DMARC, and Gmail and Microsoft refuse mail to many."),
		Fix:    lang.T("次のレコードに置き換えてください。", "Put this record in its place."),
		Record: line("_dmarc."+domain, "TXT", `"v=DMARC1; p=none"`),
	}
	if len(records) > 1 {
		f.ID, f.Link = "dmarc-several", rfcDMARC+"6.6.3"
		f.What = lang.T("_dmarc.%s にDMARCレコードが %d 個あります。", "At _dmarc.%s there are %d DMARC records.", domain, len(records))
		f.Fix, f.Record = lang.T("1個だけを残してください。", "Leave only one."), ""
	}
	return f
}

// unaligned is the case of a domain with a policy whose mail another sends: its own
// record has it refused, and some carriers then say that the user is unknown.
func unaligned(m Mail, v verdicts, p policy) Finding {
	f := Finding{
		Check: "dmarc", ID: "dmarc-unaligned", Level: Warn, About: m.From, Link: rfcDMARC + "3.1",
		What: lang.Text{
			JA: m.From + " を差出人とするメールは、そのドメイン自身のDMARC（p=" + string(p.name) + "）に通りません。" + p.means.JA + "。",
			EN: "Mail from " + m.From + " does not pass the domain's own DMARC (p=" + string(p.name) + "): " + p.means.EN + ".",
		},
		Why: lang.T("iCloudは「554 5.7.1」で拒否します。docomoは「550 Unknown user」と答え、宛先が間違っているように見えます。保護者には何も届きません。",
			"iCloud refuses it with “554 5.7.1”; docomo answers “550 Unknown user”, as if the address were wrong. Guardians get nothing."),
		Fix: lang.T("上のSPFかDKIMの指摘を直してください。どちらか一方が %s と同じドメインで通れば足ります。", "Mend what is said of SPF or DKIM. It is enough if one of them passes for the domain of %s.", m.From),
	}
	if v.spf == passes {
		f.ID = "dmarc-strict"
		f.Fix = lang.T("DMARCレコードの aspf=s を消すか、DKIMで署名してください。", "Remove aspf=s from the DMARC record, or sign with DKIM.")
	}
	if p.name != dmarc.PolicyNone && (v.spf == fails || v.dkim == fails || v.spf == passes) {
		f.Level = Fail
	}
	return f
}

func aligned(a, b string, mode dmarc.AlignmentMode) bool {
	if mode == dmarc.AlignmentStrict {
		return a == b
	}
	return organisation(a) == organisation(b)
}
