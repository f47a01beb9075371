package console

import (
	"context"
	"net/netip"
	"time"

	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
)

// broken is a set-up with something wrong of most kinds.
func (o *office) broken(context.Context) (doctor.Setup, error) {
	source := netip.MustParseAddr("192.0.2.25")
	return doctor.Setup{
		Mails: []doctor.Mail{{From: "school.example.jp", Sources: []netip.Addr{source}}}, Now: o.clock,
		DNS:    dnstest.Start(o.t, "school.example.jp. MX 10 mx.school.example.jp.", "mx.school.example.jp. A 192.0.2.1").Resolver(),
		Clock:  func(context.Context) (time.Duration, error) { return 20 * time.Millisecond, nil },
		Disk:   func() (doctor.Disk, error) { return doctor.Disk{Free: 50 << 30, Used: 20 << 20}, nil },
		Backup: func() (time.Time, error) { return time.Time{}, nil },
	}, nil
}
