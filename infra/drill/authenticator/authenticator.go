// Package authenticator is a device with a passkey, for tests that have no browser.
package authenticator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
)

// What the authenticator's data say of a touch (WebAuthn, 6.1).
const (
	present  = 0x01
	verified = 0x04
	attested = 0x40 // a key follows
)

// Passkey is a passkey of somebody at a site.
type Passkey struct {
	ID     string
	Handle []byte // of whom it signs in

	key *ecdsa.PrivateKey
}

// New returns a passkey that no site knows.
func New() *Passkey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // there is no randomness
	}
	return &Passkey{ID: rand.Text(), key: key}
}

// Answer is what the device answers, before it is written down.
type Answer struct {
	Client    string // JSON
	Data      []byte // the authenticator's data, or the attestation object
	Signature []byte
	ID        string
	Handle    []byte
	Created   bool // it answers a registration
}

// options are what a site asks for: those parts that matter here.
type options struct {
	PublicKey struct {
		Challenge string
		RPID      string `json:"rpId"`
		RP        struct{ ID string }
		User      struct{ ID string }
	}
}

func read(asked string) options {
	var o options
	if err := json.Unmarshal([]byte(asked), &o); err != nil {
		panic(err)
	}
	return o
}

// Create answers a site at origin that asks for a new passkey.
func (p *Passkey) Create(origin, asked string) Answer {
	o := read(asked)
	p.Handle, _ = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	return Answer{
		Client: Client("webauthn.create", o.PublicKey.Challenge, origin),
		Data:   p.Attestation(o.PublicKey.RP.ID), ID: p.ID, Created: true,
	}
}

// Get answers a site at origin that asks who is there.
func (p *Passkey) Get(origin, asked string) Answer {
	o := read(asked)
	a := Answer{Client: Client("webauthn.get", o.PublicKey.Challenge, origin), Data: Touched(o.PublicKey.RPID), ID: p.ID, Handle: p.Handle}
	p.Sign(&a)
	return a
}

// Client is what the browser says of a touch (WebAuthn, 5.8.1).
func Client(kind, challenge, origin string) string {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Touched are the authenticator's data of a touch with the lock undone.
func Touched(site string) []byte { return data(site, present|verified) }

// data counts no touches: passkeys that are on several devices cannot.
func data(site string, flags byte) []byte {
	hash := sha256.Sum256([]byte(site))
	return append(append(hash[:], flags), 0, 0, 0, 0)
}

// Sign signs an answer, whatever it says.
func (p *Passkey) Sign(a *Answer) {
	client := sha256.Sum256([]byte(a.Client))
	signed := sha256.Sum256(append(slices.Clone(a.Data), client[:]...))
	var err error
	if a.Signature, err = ecdsa.SignASN1(rand.Reader, p.key, signed[:]); err != nil {
		panic(err)
	}
}

// Attestation is an attestation object of format "none" (WebAuthn, 6.5.4), in CBOR.
func (p *Passkey) Attestation(site string) []byte {
	auth := append(data(site, present|verified|attested), make([]byte, 16)...) // AAGUID
	auth = append(binary.BigEndian.AppendUint16(auth, uint16(len(p.ID))), p.ID...)
	point, err := p.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	auth = append(append(auth, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"...), point[1:33]...) // RFC 9053, 7.1.1
	auth = append(append(auth, "\x22\x58\x20"...), point[33:]...)
	return append(append([]byte("\xa3cfmtdnonegattStmt\xa0hauthData\x58"), byte(len(auth))), auth...)
}

// JSON writes an answer as a page's script sends it.
func (a Answer) JSON() string {
	b64 := base64.RawURLEncoding.EncodeToString
	response := map[string]string{"clientDataJSON": b64([]byte(a.Client))}
	if a.Created {
		response["attestationObject"] = b64(a.Data)
	} else {
		response["authenticatorData"], response["signature"], response["userHandle"] = b64(a.Data), b64(a.Signature), b64(a.Handle)
	}
	text, err := json.Marshal(map[string]any{"id": b64([]byte(a.ID)), "rawId": b64([]byte(a.ID)), "type": "public-key", "response": response})
	if err != nil {
		panic(err)
	}
	return string(text)
}
