package machine

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/problem"
)

// check returns the Config as it is used, or all that is wrong with what an operator gave:
// before anything is opened, made or written.
func (c Config) check() (Config, error) {
	var wrong problem.List
	for _, part := range []func(*Config) *problem.Error{checkBase, checkProof, checkProofTo, checkDeadMan, checkInbound} {
		if p := part(&c); p != nil {
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return c, wrong
	}
	return c, nil
}

// checkBase writes the address of the pages as browsers do, which compare it.
func checkBase(c *Config) *problem.Error {
	if c.BaseURL == "" {
		return checkNameless(c)
	}
	u, ok := webAddress(c.BaseURL)
	if !ok || strings.Trim(u.Path, "/") != "" || u.RawQuery+u.Fragment != "" || u.User != nil {
		return problem.New(problem.Invalid, "--base-url の「%[1]s」では、メールのリンクが開けません。https://todoku.school.example.jp のように、https:// からドメインまでを書いてください。",
			"--base-url: nobody could open the links in mails with %[1]q. Write it like https://todoku.school.example.jp, without a path.", c.BaseURL)
	}
	c.BaseURL = u.Scheme + "://" + strings.ToLower(u.Host)
	return nil
}

// checkNameless refuses to mail links to an address that is all of this machine's, and nobody else's.
func checkNameless(c *Config) *problem.Error {
	host, _, err := net.SplitHostPort(c.Addr)
	if a, _ := netip.ParseAddr(host); c.Relay == "" || err != nil || host != "" && !a.IsUnspecified() {
		return nil
	}
	return problem.New(problem.Invalid, "--addr %[1]s には --base-url（保護者が開く画面のアドレス）も必要です。ないと、メールのリンクが開けません。例: --base-url https://todoku.school.example.jp",
		"--addr %[1]s needs --base-url, the address at which guardians reach this program: nobody could open the links in mails without it. For example: --base-url https://todoku.school.example.jp", c.Addr)
}

func checkProof(c *Config) *problem.Error {
	if c.Proof.Every < 0 {
		return problem.New(problem.Invalid, "--proof には、1h のような間隔か、確かめないなら0を指定してください。", "Give --proof a time such as 1h, or 0 for none.")
	}
	return nil
}

func checkProofTo(c *Config) *problem.Error {
	if c.Proof.Address == "" {
		return nil
	}
	to, err := address.Parse(c.Proof.Address)
	if err != nil {
		why := problem.Of(err)[0].Text
		return problem.New(problem.Invalid, "--proof-to: %[1]s", "--proof-to: %[2]s", why.JA, why.EN)
	}
	c.Proof.Address = to.String()
	return nil
}

func checkDeadMan(c *Config) *problem.Error {
	if _, ok := webAddress(strings.ReplaceAll(c.Proof.DeadMan, "{lane}", "all")); c.Proof.DeadMan != "" && !ok {
		return problem.New(problem.Invalid, "--dead-man には、https:// で始まるアドレスを指定してください。", "Give --dead-man an address that begins with https://.")
	}
	return nil
}

func checkInbound(c *Config) *problem.Error {
	c.InboundDomain = strings.ToLower(c.InboundDomain)
	to, err := address.Parse("code@" + c.InboundDomain)
	switch {
	case c.Inbound == "" && c.InboundDomain == "":
		return nil
	case c.InboundDomain == "":
		return problem.New(problem.Invalid,
			"--inbound には --inbound-domain（空メールの宛先のドメイン）も必要です。例: --inbound 0.0.0.0:25 --inbound-domain in.school.example.jp",
			"--inbound needs --inbound-domain, the domain to which guardians send their empty mail, for example: --inbound 0.0.0.0:25 --inbound-domain in.school.example.jp")
	case err != nil || to.Domain != c.InboundDomain:
		return problem.New(problem.Invalid, "--inbound-domain の「%[1]s」はドメイン名ではありません。in.school.example.jp のように半角で書いてください（日本語ドメインは xn-- の形で）。",
			"--inbound-domain: %[1]q is not a domain. Write it like in.school.example.jp, and a Japanese one in its xn-- form.", c.InboundDomain)
	case c.Inbound == "":
		return problem.New(problem.Invalid, "--inbound-domain には --inbound（空メールを受け取るホスト:ポート）も必要です。例: --inbound 0.0.0.0:25",
			"--inbound-domain needs --inbound, where that mail is taken, for example: --inbound 0.0.0.0:25")
	}
	return nil
}

// webAddress reads an absolute web address, of which the host is as browsers write it. http
// is for a school's own network.
func webAddress(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, false
	}
	return u, !strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf })
}
