package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/todoku/todoku/shared/lang"
)

const rfcDKIM = "https://www.rfc-editor.org/rfc/rfc6376#section-"

// usual are the selectors that providers at hand use, tried where nobody named one.
var usual = []string{"default", "dkim", "google", "k1", "key1", "mail", "s1", "s2", "selector1", "selector2", "smtp"}

var whyDKIM = lang.Text{
	JA: "署名を確かめられないメールは、転送の途中で拒否されやすく、Gmailは迷惑メールに入れ、Microsoftは拒否します。",
	EN: "Mail whose signature cannot be checked is refused when forwarded, filed as spam by Gmail, and refused by Microsoft.",
}

// dkim looks at the keys with which mail of a domain is signed.
func (x *exam) dkim(ctx context.Context, m Mail) verdict {
	if len(m.Pending) > 0 {
		for _, r := range m.Pending {
			x.find(pending(m, r))
		}
		return fails
	}
	if len(m.Selectors) == 0 {
		return x.dkimUsual(ctx, m)
	}
	all := passes
	for _, s := range m.Selectors {
		records, err := x.txt(ctx, keyName(s, m.From))
		switch {
		case err != nil:
			x.find(silent("dkim", keyName(s, m.From)))
			return unsure
		case len(records) == 0:
			x.find(noKey(m.From, s))
			return fails
		case !x.key(m.From, s, records):
			all = fails
		}
	}
	return all
}

func keyName(selector, domain string) string { return selector + "._domainkey." + domain }

func pending(m Mail, record string) Finding {
	return Finding{
		Check: "dkim", ID: "dkim-pending", Level: Fail, About: m.From, Why: whyDKIM, Record: record,
		What: lang.T("%s の署名の鍵が、まだDNSにありません。", "A signing key of %s is not in DNS yet.", m.From),
		Fix:  lang.T("次のレコードをDNSに追加し、最大72時間待ってください。", "Add this record to DNS, and wait for up to 72 hours."),
		Link: "https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim-easy.html",
	}
}

func noKey(domain, selector string) Finding {
	return Finding{
		Check: "dkim", ID: "dkim-missing", Level: Fail, About: keyName(selector, domain), Why: whyDKIM, Link: rfcDKIM + "3.6.2",
		What: lang.T("%s に、DKIMの鍵がありません。", "There is no DKIM key at %s.", keyName(selector, domain)),
		Fix: lang.T("メール中継の業者の画面で鍵を作り、そこに示されるレコードをこの名前で追加してください。値は「v=DKIM1; k=rsa; p=…」の形です。",
			"Make a key in the console of the relay's provider, and add the record shown there under this name. Its value has the form “v=DKIM1; k=rsa; p=...”."),
	}
}

// dkimUsual tries the usual names. Not to find any proves nothing: the name of a key
// stands in mails alone.
func (x *exam) dkimUsual(ctx context.Context, m Mail) verdict {
	for _, s := range usual {
		records, err := x.txt(ctx, keyName(s, m.From))
		if err != nil {
			x.find(silent("dkim", keyName(s, m.From)))
			return unsure
		}
		if len(records) > 0 && x.key(m.From, s, records) {
			return passes
		}
	}
	x.find(Finding{
		Check: "dkim", ID: "dkim-unknown", Level: Warn, About: m.From, Why: whyDKIM, Link: rfcDKIM + "3.1",
		What: lang.T("%s のDKIMの鍵が、よくある名前では見つかりません。", "No DKIM key of %s is found under the usual names.", m.From),
		Fix: lang.T("中継サーバーが署名しているなら、そのセレクター名を -dkim で教えてください。していないなら、業者の画面でDKIMを有効にしてください。",
			"If the relay signs, name its selector with -dkim. If it does not, turn DKIM on in the provider's console."),
	})
	return unsure
}

// minBits is the shortest key that receivers accept, goodBits what is asked for now
// (RFC 8301, section 3.2).
const minBits, goodBits = 1024, 2048

// key looks at one key, and reports whether receivers can use it.
func (x *exam) key(domain, selector string, records []string) bool {
	name := keyName(selector, domain)
	f := Finding{Check: "dkim", Level: Fail, About: name, Why: whyDKIM, Link: rfcDKIM + "3.6.1"}
	tags := tagsOf(records[0])
	bits, ok := keyBits(tags["k"], tags["p"])
	again := lang.T("業者の画面で鍵（2048ビット）を作り直し、そこに示される値に置き換えてください。", "Make the key (2048 bits) anew in the provider's console, and put the value shown there in its place.")
	switch {
	case len(records) > 1:
		f.ID, f.Link = "dkim-several", rfcDKIM+"3.6.2.2"
		f.What = lang.T("%s にレコードが %d 個あります。", "At %s there are %d records.", name, len(records))
		f.Fix = lang.T("使っているものだけを残してください。", "Leave only the one that is in use.")
	case strings.TrimSpace(tags["p"]) == "":
		f.ID = "dkim-revoked"
		f.What, f.Fix = lang.T("%s の鍵は取り消されています。", "The key at %s is revoked.", name), again
	case !ok:
		f.ID = "dkim-broken"
		f.What, f.Fix = lang.T("%s の鍵を読み取れません。途中で切れていることがよくあります。", "The key at %s cannot be read. Often it was cut off when pasted.", name), again
	case bits < minBits:
		f.ID, f.Link = "dkim-short", "https://www.rfc-editor.org/rfc/rfc8301#section-3.2"
		f.What, f.Fix = lang.T("%s の鍵は %d ビットしかありません。", "The key at %s has %d bits only.", name, bits), again
	case bits < goodBits && tags["k"] != "ed25519":
		f.ID, f.Level, f.Link = "dkim-weak", Warn, "https://www.rfc-editor.org/rfc/rfc8301#section-3.2"
		f.What, f.Fix = lang.T("%s の鍵は %d ビットです。", "The key at %s has %d bits.", name, bits), again
		x.find(f)
		return true
	case strings.Contains(tags["t"], "y"):
		f.ID, f.Level = "dkim-testing", Warn
		f.What = lang.T("%s の鍵は「試験中」（t=y）です。", "The key at %s says that it is being tested (t=y).", name)
		f.Fix = lang.T("レコードから t=y を消してください。", "Remove t=y from the record.")
	default:
		x.saw("dkim", domain, "%s の鍵は %d ビットです。", "The key at %s has %d bits.", name, bits)
		return true
	}
	x.find(f)
	return false
}

func tagsOf(record string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(record, ";") {
		name, value, _ := strings.Cut(part, "=")
		tags[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return tags
}

func keyBits(kind, text string) (int, bool) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return 0, false
	}
	if kind == "ed25519" {
		return 8 * len(der), len(der) == ed25519.PublicKeySize
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k.N.BitLen(), true
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return 0, false
	}
	k, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return 0, false
	}
	return k.N.BitLen(), true
}
