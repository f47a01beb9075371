package doctor

import (
	"context"
	"net/netip"
	"strings"

	"github.com/todoku/todoku/shared/lang"
)

var whyMX = lang.Text{
	JA: "返信もエラーの知らせも受け取れず、受信側の多くは、返信できない差出人のメールを拒否します。",
	EN: "Neither replies nor bounces come back, and many receivers refuse mail from a sender that cannot be answered.",
}

// mx looks whether mail can be sent back to a domain.
func (x *exam) mx(ctx context.Context, domain string) {
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	records, err := x.DNS.LookupMX(ctx, domain+".")
	if err != nil && !absent(err) && len(records) == 0 {
		x.find(silent("mx", domain))
		return
	}
	f := Finding{Check: "mx", Level: Fail, About: domain, Why: whyMX, Link: "https://www.rfc-editor.org/rfc/rfc5321#section-5.1"}
	if len(records) == 0 {
		x.noMX(ctx, f)
		return
	}
	for _, r := range records {
		host := strings.TrimSuffix(r.Host, ".")
		if host == "" {
			f.ID, f.Link = "mx-null", "https://www.rfc-editor.org/rfc/rfc7505#section-4.2"
			f.What = lang.T("%s は、メールを受け取らないと宣言しています（null MX）。", "%s says that it takes no mail (null MX).", domain)
			f.Fix = lang.T("差出人を、メールを受け取るドメインに変えるか、「MX 0 .」を消して受信サーバーのレコードを追加してください。", "Send from a domain that takes mail, or replace “MX 0 .” by the record of its mail host.")
			x.find(f)
			return
		}
		if !x.mxHost(ctx, f, host) {
			return
		}
	}
	x.saw("mx", domain, "返信とエラーの知らせを受け取れます。", "Replies and bounces can come back.")
}

// noMX looks for an address record, which does as well.
func (x *exam) noMX(ctx context.Context, f Finding) {
	found, err := x.addresses(ctx, f.About)
	switch {
	case err != nil:
		x.find(silent("mx", f.About))
	case len(found) > 0:
		x.saw("mx", f.About, "MXはありませんが、アドレスで受け取れます。", "There is no MX record, but an address that mail can come back to.")
	default:
		f.ID = "mx-missing"
		f.What = lang.T("%s には、メールの受け取り先（MX）がありません。", "%s has nowhere to receive mail (no MX record).", f.About)
		f.Fix = lang.T("受信サーバーの名前を入れて、次の形のレコードを追加してください。", "Add a record of this form, with the name of your mail host.")
		f.Record = line(f.About, "MX", "10 mx."+f.About+".")
		x.find(f)
	}
}

// mxHost looks whether the host of an MX record is one, and reports whether to go on.
func (x *exam) mxHost(ctx context.Context, f Finding, host string) bool {
	f.ID = "mx-host"
	f.Fix = lang.T("MXレコードの右側を、アドレスを持つホスト名に直してください。", "Correct the right side of the MX record: the name of a host that has an address.")
	if _, err := netip.ParseAddr(host); err == nil {
		f.What = lang.T("%s のMXレコードに、名前ではなくアドレス %s が書かれています。", "The MX record of %s holds an address, %s, where a name belongs.", f.About, host)
		x.find(f)
		return false
	}
	found, err := x.addresses(ctx, host)
	if err != nil {
		x.find(silent("mx", host))
		return false
	}
	if len(found) == 0 {
		f.What = lang.T("%s のMXレコードが指す %s が見つかりません。", "%[2]s, to which the MX record of %[1]s points, is not there.", f.About, host)
		x.find(f)
		return false
	}
	return true
}

// inbound looks whether guardians' mail finds the way.
func (x *exam) inbound(ctx context.Context) {
	if x.Inbound == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	records, err := x.DNS.LookupMX(ctx, x.Inbound+".")
	if err != nil && !absent(err) {
		x.find(silent("inbound", x.Inbound))
		return
	}
	f := Finding{
		Check: "inbound", ID: "inbound-mx", Level: Fail, About: x.Inbound, Link: "https://www.rfc-editor.org/rfc/rfc5321#section-5.1",
		Why:    lang.T("保護者が登録のために送る空メールが届かず、エラーで戻ります。", "The empty mail by which guardians register bounces."),
		Fix:    lang.T("Todokuのマシンの名前を入れて、次の形のレコードを追加してください。", "Add a record of this form, with the name of the machine on which Todoku runs."),
		Record: line(x.Inbound, "MX", "10 todoku."+organisation(x.Inbound)+"."),
	}
	if len(records) == 0 {
		f.What = lang.T("空メールを受け取るドメイン %s に、MXレコードがありません。", "%s, which takes guardians' mail, has no MX record.", x.Inbound)
		x.find(f)
		return
	}
	if x.mxHost(ctx, f, strings.TrimSuffix(records[0].Host, ".")) {
		x.saw("inbound", x.Inbound, "空メールは %s に届きます。", "Guardians' mail goes to %s.", strings.TrimSuffix(records[0].Host, "."))
	}
}
