package wire

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/link"
)

// keys are the keys that sign links. They are read when they are first needed and
// again after config.KeysLife. If reading again fails the old ones serve on, and
// the next who needs them tries again after retryAfter: that a secret cannot be
// had for a while must not keep a guardian from answering.
type keys struct {
	read func(context.Context) ([]byte, error)
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex
	known []link.Key
	until time.Time // when to read again
}

const retryAfter = 10 * time.Second

// get is for link.NewSignerOf.
func (k *keys) get() ([]link.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if len(k.known) > 0 && now.Before(k.until) {
		return k.known, nil
	}
	fresh, err := k.fetch()
	switch {
	case err == nil:
		k.known, k.until = fresh, now.Add(config.KeysLife)
	case len(k.known) > 0:
		k.log.Error("the keys were not read again, the old ones serve on", "err", err)
		k.until = now.Add(retryAfter)
	default:
		return nil, err
	}
	return k.known, nil
}

func (k *keys) fetch() ([]link.Key, error) {
	secret, err := k.read(context.Background()) // for all who wait, whoever of them gives up
	if err != nil {
		return nil, err
	}
	return config.ParseKeys(secret)
}
