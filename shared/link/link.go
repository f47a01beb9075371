// Package link makes and reads the signed links in mails. A link is a capability:
// whoever holds it may do what it says, for one contact and one alert, until it
// expires. It needs no database to be judged and names nobody in clear.
//
// A token is base64url(payload || tag): the payload is one byte of version, one
// of key id, one of kind, the expiry in Unix seconds, the ULIDs of alert, family
// and contact, and the class; the tag is the first 16 bytes of HMAC-SHA-256 over
// the payload (RFC 2104; NIST SP 800-107 takes half of a tag's length as enough,
// and 128 bits cannot be guessed).
package link

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/shared/id"
)

// Kind says what a link may be used for.
type Kind byte

// The kinds of link.
const (
	Answer Kind = 1 // read an alert, and answer for the contact's children
	Read   Kind = 2 // read an alert: safe to forward
	// Of a registration. Alert holds the join's id and Class the school's.
	Wait    Kind = 3 // see what became of the mail that asks for a confirmation
	Confirm Kind = 4 // confirm an address
	// Of a contact, Family and Contact. Class holds the school's id.
	Own   Kind = 5 // a guardian's own page
	Leave Kind = 6 // get no more notices
)

// paths are in mails that are out.
var paths = map[Kind]string{
	Answer: "/a/", Read: "/r/",
	Wait: "/register/wait/", Confirm: "/register/confirm/", Own: "/register/own/", Leave: "/register/leave/",
}

// Path returns where links of the kind lead: the token follows.
func (k Kind) Path() string { return paths[k] }

// Link is what a token says.
type Link struct {
	Kind    Kind
	Alert   string // like Family and Contact an identifier of package id, or ""
	Class   string // group id, at most MaxClass bytes
	Family  string
	Contact string
	Expires time.Time // in whole seconds
}

// ErrInvalid says that a token was not made by one of the keys: it was mistyped,
// cut off by a mail program, or forged.
var ErrInvalid = errors.New("link: not a valid token")

// Key is a signing key. Secret is at least 32 random bytes.
type Key struct {
	ID     byte
	Secret []byte
}

// Signer makes and reads tokens. It signs with its first key and accepts all, so
// a key can be replaced while links of the old one are open.
type Signer struct {
	keys  func() ([]Key, error)
	ready atomic.Pointer[hashes] // of the key that signed last
}

// hashes are hashes of a secret, to be used again: to make one costs as much as to use it.
type hashes struct {
	secret []byte
	pool   sync.Pool
}

// tag is the tag of k, which signs.
func (s *Signer) tag(k Key, payload []byte) []byte {
	h := s.ready.Load()
	if h == nil || !bytes.Equal(h.secret, k.Secret) {
		h = &hashes{secret: bytes.Clone(k.Secret)}
		h.pool.New = func() any { return hmac.New(sha256.New, h.secret) }
		s.ready.Store(h)
	}
	mac := h.pool.Get().(hash.Hash)
	defer h.pool.Put(mac)
	mac.Reset()
	mac.Write(payload)
	return mac.Sum(nil)[:tagLen]
}

// NewSigner returns a Signer of one or more keys.
func NewSigner(keys ...Key) (*Signer, error) {
	if err := CheckKeys(keys); err != nil {
		return nil, err
	}
	return &Signer{keys: func() ([]Key, error) { return keys, nil }}, nil
}

// NewSignerOf returns a Signer that asks for its keys each time it needs them, so
// that they can be fetched late and replaced. keys is called by several goroutines
// at once, should remember what it found, and returns keys that CheckKeys accepts
// or an error, which becomes that of Sign and Parse.
func NewSignerOf(keys func() ([]Key, error)) *Signer { return &Signer{keys: keys} }

// CheckKeys returns an error unless a Signer can use the keys.
func CheckKeys(keys []Key) error {
	if len(keys) == 0 {
		return errors.New("link: no signing key")
	}
	seen := map[byte]bool{}
	for _, k := range keys {
		if len(k.Secret) < 32 {
			return fmt.Errorf("link: signing key %d has %d bytes, needs at least 32", k.ID, len(k.Secret))
		}
		if seen[k.ID] {
			return fmt.Errorf("link: two signing keys have the id %d", k.ID)
		}
		seen[k.ID] = true
	}
	return nil
}

// MaxClass is the length in bytes of the longest class id that a link can hold.
const MaxClass = 64

const (
	version = 1
	tagLen  = 16
	fixed   = 3 + 4 + 3*16 // length of a payload without its class
)

// Sign returns the token of l: at most 176 characters that are safe in a path.
func (s *Signer) Sign(l Link) (string, error) {
	if len(l.Class) > MaxClass {
		return "", fmt.Errorf("link: class id of %d bytes", len(l.Class))
	}
	keys, err := s.keys()
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, fixed+len(l.Class)+tagLen)
	b = append(b, version, keys[0].ID, byte(l.Kind))
	b = binary.BigEndian.AppendUint32(b, uint32(l.Expires.Unix()))
	for _, part := range []string{l.Alert, l.Family, l.Contact} {
		u, ok := id.Bytes(part)
		if part != "" && !ok {
			return "", fmt.Errorf("link: %q is not an id", part)
		}
		b = append(b, u[:]...)
	}
	b = append(b, l.Class...)
	return base64.RawURLEncoding.EncodeToString(append(b, s.tag(keys[0], b)...)), nil
}

// Parse returns what a token says. It does not look at the expiry: an expired
// link still tells which page to show. It fails with ErrInvalid, or because there
// are no keys to judge by now.
func (s *Signer) Parse(token string) (Link, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if strings.ContainsAny(token, "\r\n") { // which the decoder passes over
		return Link{}, ErrInvalid
	}
	if err != nil || len(b) < fixed+tagLen || len(b) > fixed+MaxClass+tagLen || b[0] != version {
		return Link{}, ErrInvalid
	}
	keys, err := s.keys()
	if err != nil {
		return Link{}, err
	}
	payload, tag := b[:len(b)-tagLen], b[len(b)-tagLen:]
	for _, k := range keys {
		if k.ID == payload[1] && hmac.Equal(tag, k.tag(payload)) {
			return decode(payload), nil
		}
	}
	return Link{}, ErrInvalid
}

func decode(b []byte) Link {
	l := Link{Kind: Kind(b[2]), Expires: time.Unix(int64(binary.BigEndian.Uint32(b[3:])), 0).UTC()}
	b = b[7:]
	for _, part := range []*string{&l.Alert, &l.Family, &l.Contact} {
		if u := [16]byte(b); u != ([16]byte{}) {
			*part = id.FromBytes(u)
		}
		b = b[16:]
	}
	l.Class = string(b)
	return l
}

func (k Key) tag(payload []byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write(payload)
	return h.Sum(nil)[:tagLen]
}
