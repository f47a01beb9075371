package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
)

// Blocklist is a list of addresses that receivers refuse, asked by DNS (RFC 5782).
type Blocklist struct {
	Zone   string // such as zen.spamhaus.org
	Remove string // page on which to ask for removal
}

// Blocklists are the lists that receivers in Japan are known to ask.
var Blocklists = []Blocklist{
	{"zen.spamhaus.org", "https://check.spamhaus.org/"},
	{"bl.spamcop.net", "https://www.spamcop.net/bl.shtml"},
	{"b.barracudacentral.org", "https://www.barracudacentral.org/rbl/removal-request"},
}

// address looks at an address of this machine from which mail leaves directly.
func (x *exam) address(ctx context.Context, a netip.Addr) {
	x.reverse(ctx, a)
	for _, l := range x.Lists {
		x.listed(ctx, a, l)
	}
}

// reverse looks whether the address has a name that leads back to it.
func (x *exam) reverse(ctx context.Context, a netip.Addr) {
	stepped, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	names, err := x.DNS.LookupAddr(stepped, a.String())
	if err != nil && !absent(err) {
		x.find(silent("reverse", a.String()))
		return
	}
	f := Finding{
		Check: "reverse", ID: "reverse-missing", Level: Fail, About: a.String(), Link: "https://www.rfc-editor.org/rfc/rfc1912#section-2.1",
		What: lang.T("メールを送るアドレス %s に、逆引きの名前（PTR）がありません。", "%s, from which mail leaves, has no name (PTR record).", a),
		Why:  lang.T("Gmailは逆引きのないアドレスからのメールを拒否し、携帯各社もよく拒否します。", "Gmail refuses mail from addresses without a name, and carriers often do."),
		Fix: lang.T("回線やサーバーの業者に、逆引きの設定を依頼してください。できなければ、メールは中継サーバー（587番）から送ってください。",
			"Have whoever gave you the address set it. If they do not, send through a relay on port 587."),
	}
	for _, name := range names {
		back, err := x.addresses(ctx, name)
		if err == nil && slices.Contains(back, a) {
			x.saw("reverse", a.String(), "逆引きの名前は %s です。", "Its name is %s.", strings.TrimSuffix(name, "."))
			return
		}
	}
	if len(names) > 0 {
		name := strings.TrimSuffix(names[0], ".")
		f.ID = "reverse-mismatch"
		f.What = lang.T("%s の逆引きの名前 %s が、そのアドレスに戻りません。", "The name of %s, %s, does not lead back to it.", a, name)
		f.Fix = lang.T("次のレコードを追加するか、逆引きの名前を直してください。", "Add this record, or correct the name.")
		f.Record = line(name, map[bool]string{true: "A", false: "AAAA"}[a.Is4()], a.String())
	}
	x.find(f)
}

// listed asks one list. It is believed only if it does not list 127.0.0.1, which no
// list has (RFC 5782, section 5): one that has ended may list everybody, and so does
// a resolver that answers for names that are not there.
func (x *exam) listed(ctx context.Context, a netip.Addr, l Blocklist) {
	codes, err := x.addresses(ctx, reversed(a)+"."+l.Zone)
	if err != nil {
		x.find(silent("blocklist", l.Zone))
		return
	}
	if slices.ContainsFunc(codes, isRefusal) {
		x.find(listRefuses(a, l))
		return
	}
	codes = slices.DeleteFunc(codes, func(c netip.Addr) bool { return !c.Is4() || c.As4()[0] != 127 })
	if len(codes) == 0 {
		x.saw("blocklist", a.String(), "%s に載っていません。", "It is not on %s.", l.Zone)
		return
	}
	if all, err := x.addresses(ctx, "1.0.0.127."+l.Zone); err != nil || len(all) > 0 {
		x.saw("blocklist", a.String(), "%s は、何を聞いても「載っている」と答えるため、無視しました。", "%s lists everybody, and was ignored.", l.Zone)
		return
	}
	x.find(onList(a, l, codes))
}

// isRefusal reports whether an answer says that the list does not answer whoever
// asks: 127.255.255.252 for a misspelt zone, .254 for an open resolver, .255 for too
// many questions (https://www.spamhaus.org/faqs/dnsbl-usage/).
func isRefusal(c netip.Addr) bool { return strings.HasPrefix(c.String(), "127.255.255.") }

func listRefuses(a netip.Addr, l Blocklist) Finding {
	return Finding{
		Check: "blocklist", ID: "list-refuses", Level: Unknown, About: a.String(), Link: "https://www.spamhaus.org/faqs/dnsbl-usage/",
		What: lang.T("%s は、公開DNSリゾルバー経由の問い合わせに答えません。載っているという意味ではありません。", "%s does not answer questions through an open resolver. That does not mean that the address is listed.", l.Zone),
		Why:  lang.T("本当に載っていても、ここからは分かりません。", "If it were listed, it would not be seen from here."),
		Fix:  lang.T("回線の業者のDNSを使うよう、このマシンを設定するか、%s で %s を調べてください。", "Have this machine use its own provider's resolver, or look %[2]s up at %[1]s.", l.Remove, a),
	}
}

func onList(a netip.Addr, l Blocklist, codes []netip.Addr) Finding {
	f := Finding{
		Check: "blocklist", ID: "listed", Level: Fail, About: a.String(), Link: l.Remove,
		What: lang.T("メールを送るアドレス %s が、拒否リスト %s に載っています（%s）。", "%s, from which mail leaves, is on the blocklist %s (%s).", a, l.Zone, codes[0]),
		Why:  lang.T("多くの受信側が、このアドレスからのメールをすべて拒否します。", "Many receivers refuse all mail from it."),
		Fix:  lang.T("乗っ取られたパソコンがないか確かめてから、%s で解除を申請してください。それまでは中継サーバーから送ってください。", "Make sure that no computer behind it is taken over, then ask for removal at %s. Until then send through a relay.", l.Remove),
	}
	if last := codes[0].As4()[3]; last == 10 || last == 11 { // the Policy Block List
		f.ID = "listed-home"
		f.What = lang.T("%s は、直接メールを送らない回線のアドレスとして %s に載っています。", "%[2]s lists %[1]s as that of a line which sends no mail directly.", a, l.Zone)
		f.Fix = lang.T("誤りではなく、解除もできません。プロバイダーなどの中継サーバーの587番から送ってください（-smtp smtp://利用者:パスワード@ホスト:587）。",
			"It is no mistake, and there is no removal. Send through a relay, such as your provider's, on port 587 (-smtp smtp://user:password@host:587).")
	}
	return f
}

// reversed is how an address is asked about (RFC 5782, section 2).
func reversed(a netip.Addr) string {
	var parts []string
	if a.Is4() {
		parts = strings.Split(a.String(), ".")
	} else {
		parts = strings.Split(strings.ReplaceAll(a.StringExpanded(), ":", ""), "")
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}
