package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Source says where a request comes from, for budgets: its IPv4 address, or the 64
// bits of an IPv6 address that belong to one household (RFC 6177); "unknown" if that
// cannot be said. It goes by the connection alone, never by a field that a sender can
// write: whoever puts a program behind a proxy sets RemoteAddr to what the proxy says
// (Proxies.Handler on one machine, API Gateway's own sourceIp on AWS).
func Source(r *http.Request) string {
	a := parseAddr(r.RemoteAddr[:max(strings.LastIndexByte(r.RemoteAddr, ':'), 0)])
	if !a.IsValid() {
		return "unknown"
	}
	if a.Is6() {
		prefix, err := a.WithZone("").Prefix(64)
		if err == nil {
			return prefix.String()
		}
	}
	return a.String()
}

func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(s), "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// Proxies are those whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// Loopback is a proxy on the same machine.
var Loopback = Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// ParseProxies reads addresses and prefixes with commas between them.
func ParseProxies(list string) (Proxies, error) {
	var all Proxies
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		if a, err := netip.ParseAddr(one); err == nil {
			all = append(all, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(one)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (p Proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(a.WithZone("")) })
}

// Handler sets the RemoteAddr of requests that come through one of the proxies to the
// address from which the first of them that is not one of ours was called. A proxy
// appends to X-Forwarded-For, so what stands before that is whatever the sender liked
// to write, and is not looked at.
func (p Proxies) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := parseAddr(r.RemoteAddr[:max(strings.LastIndexByte(r.RemoteAddr, ':'), 0)])
		if a.IsValid() && p.has(a) {
			if client := p.client(r.Header.Values("X-Forwarded-For")); client.IsValid() {
				r = r.Clone(r.Context())
				r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// client is the last of the addresses that is no proxy, or the first if all are.
func (p Proxies) client(fields []string) netip.Addr {
	var a netip.Addr
	hops := strings.Split(strings.Join(fields, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := parseAddr(hops[i])
		if !hop.IsValid() {
			return a
		}
		a = hop
		if !p.has(a) {
			return a
		}
	}
	return a
}
