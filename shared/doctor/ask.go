package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/todoku/todoku/shared/lang"
)

// txt returns the TXT records of a name; none, without an error, if DNS says that
// there are none.
func (x *exam) txt(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	records, err := x.DNS.LookupTXT(ctx, name+".")
	if absent(err) {
		return nil, nil
	}
	return records, err
}

// addresses returns the addresses of a host; none, without an error, if DNS says
// that there are none.
func (x *exam) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	found, err := x.DNS.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, ".")+".")
	if absent(err) {
		return nil, nil
	}
	for i, a := range found {
		found[i] = a.Unmap()
	}
	return found, err
}

// absent reports whether err is DNS's word that there is no such record.
func absent(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// silent is the finding that DNS gave no answer.
func silent(check, name string) Finding {
	return Finding{
		Check: check, ID: "dns-silent", Level: Unknown, About: name,
		What: lang.T("DNSが %s について答えません。", "DNS gives no answer about %s.", name),
		Why: lang.T("受信側も同じように確かめられず、保護者へのメールを後回しにすることがあります。",
			"Receivers may be just as unable to check, and put mail to guardians off."),
		Fix: lang.T("数分後にもう一度調べてください。続くときは、このマシンのDNS設定と、ドメインを預けている業者の障害情報を確かめてください。",
			"Look again in some minutes. If it stays so, check this machine's resolver and the status page of whoever hosts the domain."),
		Link: "https://www.rfc-editor.org/rfc/rfc2308",
	}
}
