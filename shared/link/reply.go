package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/todoku/todoku/shared/id"
)

// A reply address is the local part to which a guardian's mail program sends a reply:
// "r" and, in base32 because mail programs may change the case of letters, the ULIDs of
// alert and family and a tag of 48 bits. That is little for a signature and enough
// here: a guess costs a mail, and the reply counts only if it is from an address of
// the family. It has 62 characters, of the 64 that a local part may have (RFC 5321,
// section 4.5.3.1.1), which leaves no room for a contact.
const (
	replyMark = "r"
	replyTag  = 6
	replyLen  = len(replyMark) + 61
	// replyUse keeps a tag from being one of a token.
	replyUse = "todoku reply address 1\x00"
)

var replyText = base32.HexEncoding.WithPadding(base32.NoPadding)

// IsReply reports whether a local part has the form of a reply address. It says
// nothing about whether it is one.
func IsReply(local string) bool {
	if len(local) != replyLen || !strings.EqualFold(local[:1], replyMark) {
		return false
	}
	_, err := replyText.DecodeString(strings.ToUpper(local[1:]))
	return err == nil
}

// SignReply returns the local part to which a family replies to an alert.
func (s *Signer) SignReply(alert, family string) (string, error) {
	keys, err := s.keys()
	if err != nil {
		return "", err
	}
	var b []byte
	for _, part := range []string{alert, family} {
		u, ok := id.Bytes(part)
		if !ok {
			return "", fmt.Errorf("link: %q is not an id", part)
		}
		b = append(b, u[:]...)
	}
	b = append(b, keys[0].replyTag(b)...)
	return replyMark + strings.ToLower(replyText.EncodeToString(b)), nil
}

// ParseReply is the inverse of SignReply. It fails with ErrInvalid, or because there are
// no keys to judge by now.
func (s *Signer) ParseReply(local string) (alert, family string, err error) {
	if !IsReply(local) {
		return "", "", ErrInvalid
	}
	b, err := replyText.DecodeString(strings.ToUpper(local[1:]))
	if err != nil {
		return "", "", ErrInvalid
	}
	keys, err := s.keys()
	if err != nil {
		return "", "", err
	}
	payload, tag := b[:len(b)-replyTag], b[len(b)-replyTag:]
	for _, k := range keys {
		if hmac.Equal(tag, k.replyTag(payload)) {
			return id.FromBytes([16]byte(payload)), id.FromBytes([16]byte(payload[16:])), nil
		}
	}
	return "", "", ErrInvalid
}

func (k Key) replyTag(payload []byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(replyUse))
	h.Write(payload)
	return h.Sum(nil)[:replyTag]
}
