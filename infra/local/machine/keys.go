package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/table"
)

const secretBytes = 32

// loadKeys reads the keys that sign links, and makes the first one.
func loadKeys(ctx context.Context, t table.Table, random io.Reader) (*link.Signer, error) {
	var keys []link.Key
	item, err := t.Get(ctx, move.KeysKey)
	switch {
	case errors.Is(err, table.ErrNotFound):
		return makeKey(ctx, t, random)
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(item.Value, &keys); err != nil {
		return nil, fmt.Errorf("the keys that sign links are damaged: %w", err)
	}
	return link.NewSigner(keys...)
}

func makeKey(ctx context.Context, t table.Table, random io.Reader) (*link.Signer, error) {
	key := link.Key{ID: 1, Secret: make([]byte, secretBytes)}
	if _, err := io.ReadFull(random, key.Secret); err != nil {
		return nil, err
	}
	value, err := json.Marshal([]link.Key{key})
	if err != nil {
		return nil, err
	}
	if err := t.Write(ctx, "", table.Create{Key: move.KeysKey, Value: value}); err != nil {
		return nil, err
	}
	return link.NewSigner(key)
}
