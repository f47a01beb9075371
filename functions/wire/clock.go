//go:build !drill

package wire

import "time"

// now is the time.
var now = time.Now
