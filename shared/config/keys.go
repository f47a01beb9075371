package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/link"
)

// KeysLife is how long a function may use the keys that it has read before it
// reads the secret again. Whoever replaces a key waits longer than this between
// the steps: see AddKey.
const KeysLife = 5 * time.Minute

// secretBytes is the length of a new key: as long as the hash of its HMAC.
const secretBytes = 32

// ParseKeys reads the secret that Keys names: a JSON list of keys, the one that
// signs first, as in
//
//	[{"ID":2,"Secret":"<base64>"},{"ID":1,"Secret":"<base64>"}]
//
// or a single key without the list, which is what Secrets Manager can generate
// when the stack is made. Errors never hold a part of a key.
func ParseKeys(secret []byte) ([]link.Key, error) {
	text := bytes.TrimSpace(secret)
	if !bytes.HasPrefix(text, []byte("[")) {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var keys []link.Key
	if json.Unmarshal(text, &keys) != nil {
		return nil, errors.New("config: the secret does not hold keys as JSON")
	}
	if err := link.CheckKeys(keys); err != nil {
		return nil, err
	}
	return keys, nil
}

// FormatKeys is the inverse of ParseKeys.
func FormatKeys(keys []link.Key) ([]byte, error) { return json.Marshal(keys) }

// ErrKeys says that a step of replacing a key comes out of turn.
var ErrKeys = errors.New("config: not the step that comes next")

// Replacing a key takes three steps, so that at no moment a function meets a link
// whose key it does not know. AddKey makes a new key that is accepted and signs
// nothing yet. When every function has read it (KeysLife), PromoteKey lets it
// sign. When the last link of the old key has expired (alert.MaxUseful), DropKeys
// forgets the old one.

// AddKey returns keys with a new one at the end. It fails with ErrKeys if there
// is a second key already.
func AddKey(keys []link.Key, random io.Reader) ([]link.Key, error) {
	if len(keys) != 1 {
		return nil, fmt.Errorf("%w: there are %d keys, so one is being replaced already", ErrKeys, len(keys))
	}
	k := link.Key{ID: keys[0].ID + 1, Secret: make([]byte, secretBytes)} // after 255 comes 0
	if _, err := io.ReadFull(random, k.Secret); err != nil {
		return nil, err
	}
	return append(slices.Clone(keys), k), nil
}

// PromoteKey returns keys with the last one first: it signs from now on. Done
// twice it would change back, so it fails with ErrKeys when the first key is the
// newer one of two, or there are not two.
func PromoteKey(keys []link.Key) ([]link.Key, error) {
	if len(keys) != 2 || keys[1].ID != keys[0].ID+1 {
		return nil, fmt.Errorf("%w: no key waits to be promoted", ErrKeys)
	}
	return []link.Key{keys[1], keys[0]}, nil
}

// DropKeys returns the key that signs, alone. It fails with ErrKeys if the other
// was not promoted yet, or there is none.
func DropKeys(keys []link.Key) ([]link.Key, error) {
	if len(keys) != 2 || keys[0].ID != keys[1].ID+1 {
		return nil, fmt.Errorf("%w: no old key waits to be dropped", ErrKeys)
	}
	return keys[:1:1], nil
}
