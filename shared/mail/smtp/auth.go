package smtp

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 (RFC 2195) is what some relays offer without TLS
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// authenticate logs in if the Config has a user.
func (c *conn) authenticate() error {
	if c.cfg.User == "" {
		return nil
	}
	client := c.mechanism()
	if client == nil {
		return unable(atAuth, "the relay offers no way to log in that is safe on this connection")
	}
	name, first, err := client.Start()
	if err != nil {
		return lost(atAuth, err)
	}
	command := "AUTH " + name
	if first != nil {
		command += " " + base64.StdEncoding.EncodeToString(first)
	}
	return c.converse(client, command)
}

// converse answers the relay's challenges until it says yes or no.
func (c *conn) converse(client sasl.Client, line string) error {
	const steps = 4 // LOGIN, the longest, has three
	for range steps {
		r, err := c.ask(atAuth, line)
		if err != nil {
			return err
		}
		if r.code != 334 {
			return nil
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.text))
		if err != nil {
			return lost(atAuth, err)
		}
		answer, err := client.Next(challenge)
		if err != nil {
			return lost(atAuth, err)
		}
		line = base64.StdEncoding.EncodeToString(answer)
	}
	return unable(atAuth, "the relay does not end the login")
}

// mechanism chooses how to log in from what the relay offers: PLAIN, LOGIN or
// CRAM-MD5 under TLS; CRAM-MD5 first to this machine without TLS; CRAM-MD5 alone
// elsewhere, because the others show the password. It returns nil if none will do.
func (c *conn) mechanism() sasl.Client {
	plain := sasl.NewPlainClient("", c.cfg.User, c.cfg.Password)
	login := &loginClient{user: c.cfg.User, password: c.cfg.Password}
	cram := &cramClient{c.cfg.User, c.cfg.Password}
	order := []sasl.Client{cram}
	switch {
	case c.encrypted:
		order = []sasl.Client{plain, login, cram}
	case c.cfg.loopback():
		order = []sasl.Client{cram, plain, login}
	}
	offered := strings.Fields(strings.ToUpper(c.extensions["AUTH"]))
	for _, client := range order {
		name, _, err := client.Start()
		if err == nil && slices.Contains(offered, name) {
			return client
		}
	}
	return nil
}

// loginClient is LOGIN without looking at the prompts, whose words differ from
// relay to relay.
type loginClient struct{ user, password string }

func (l *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	answer := l.user
	l.user = l.password
	return []byte(answer), nil
}

// cramClient is CRAM-MD5 (RFC 2195), which proves the password without showing it.
type cramClient struct{ user, password string }

func (c *cramClient) Start() (string, []byte, error) { return "CRAM-MD5", nil, nil }

func (c *cramClient) Next(challenge []byte) ([]byte, error) {
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(mac.Sum(nil))), nil
}
