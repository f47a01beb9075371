//go:build !drill

package wire

import (
	"net"

	"github.com/todoku/todoku/shared/mailhost"
)

var resolver mailhost.Resolver = net.DefaultResolver
