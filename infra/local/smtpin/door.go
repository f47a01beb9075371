package smtpin

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// door lets in no more connections of one peer than maxPerPeer, and each for no longer than
// maxAge: whoever holds some leaves room for the mail of others. Those of our own network
// are not counted: a relay, or a router that hides who calls, brings everybody's mail.
type door struct {
	net.Listener
	mu    sync.Mutex
	peers map[string]int
}

// Accept implements net.Listener. One too many of a peer is told to come later.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if leave, ok := d.enter(address(c)); ok {
			return &guest{Conn: c, end: time.Now().Add(maxAge), leave: leave}, nil
		}
		_ = c.SetWriteDeadline(time.Now().Add(farewell)) // what is this short waits for nobody
		_, _ = c.Write([]byte("421 4.7.0 Too many connections from you, try again later.\r\n"))
		_ = c.Close()
	}
}

// enter reports whether one more may come in; leave must be called when it goes.
func (d *door) enter(ip net.IP) (leave func(), ok bool) {
	if ours(ip) {
		return func() {}, true
	}
	peer := household(ip)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.peers[peer] == maxPerPeer {
		return nil, false
	}
	d.peers[peer]++
	return sync.OnceFunc(func() { d.left(peer) }), true
}

func (d *door) left(peer string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers[peer]--
	if d.peers[peer] == 0 {
		delete(d.peers, peer)
	}
}

// guest is a connection that ends.
type guest struct {
	net.Conn
	end   time.Time // of its reads
	leave func()
}

// tooSlow is no timeout to go-smtp, which would refuse for good the mail that it reads then.
var tooSlow = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 4, 2}, Message: "Too slow, try again later."}

// Read implements net.Conn. It waits for no peer again that was too slow: what else came of
// a mail that was cut off would be read as commands.
func (g *guest) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		g.end = earlier(g.end, time.Now())
		err = tooSlow
	}
	return n, err
}

// SetReadDeadline implements net.Conn.
func (g *guest) SetReadDeadline(t time.Time) error { return g.Conn.SetReadDeadline(earlier(t, g.end)) }

// SetWriteDeadline implements net.Conn.
func (g *guest) SetWriteDeadline(t time.Time) error {
	return g.Conn.SetWriteDeadline(earlier(t, g.end.Add(farewell)))
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// address returns the address of the peer, nil if it has none.
func address(c net.Conn) net.IP {
	if peer, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return peer.IP
	}
	return nil
}

// ours reports whether an address is in a private network, where those of a relay and of a
// router are.
func ours(ip net.IP) bool {
	return ip == nil || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

// household returns an IPv4 address, or the 64 bits of an IPv6 address that belong to one
// household (RFC 6177).
func household(ip net.IP) string {
	if ip.To4() != nil {
		return ip.String()
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
