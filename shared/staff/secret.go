package staff

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/table"
)

// Sizes of secrets in bytes. A link lives for a short time and is guessed at over
// the network, so 128 bits are plenty; sessions and tokens live longer.
const (
	linkBytes    = 16
	sessionBytes = 32
	tokenBytes   = 32
)

// newSecret returns n random bytes as text that is safe in a path and a cookie.
func (s *Store) newSecret(n int) string {
	b := make([]byte, n)
	s.fill(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// fill fills b with randomness.
func (s *Store) fill(b []byte) {
	if _, err := io.ReadFull(s.Random, b); err != nil {
		panic("staff: no randomness: " + err.Error())
	}
}

// fold turns full-width letters and spaces into those of ASCII.
func fold(s string) string { return norm.NFKC.String(s) }

// maxSecret is longer than every secret: anything longer is none, and is not
// worth hashing.
const maxSecret = 100

// secretKey returns where what belongs to a secret is kept: under its hash.
func secretKey(kind, secret string) table.Key {
	sum := sha256.Sum256([]byte(secret))
	return table.Key{Partition: kind + "/" + hex.EncodeToString(sum[:]), Sort: kind}
}
