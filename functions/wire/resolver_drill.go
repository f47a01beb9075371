//go:build drill

package wire

import (
	"context"
	"net"
	"os"

	"github.com/todoku/todoku/shared/mailhost"
)

// resolver asks the drill's own DNS server, if there is one, and otherwise nobody:
// what a drill finds does not depend on the network that it runs in.
var resolver = drillResolver(os.Getenv("TODOKU_DRILL_DNS"))

func drillResolver(server string) mailhost.Resolver {
	if server == "" {
		return nil
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}
