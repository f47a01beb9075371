package console

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/doctor"
)

// broken is a set-up with something wrong of most kinds.
func (o *office) broken(context.Context) (doctor.Setup, error) {
	return doctor.Setup{
		Mails: []doctor.Mail{{From: "school.example.jp"}}, Now: o.clock,
		Clock:  func(context.Context) (time.Duration, error) { return 20 * time.Millisecond, nil },
		Disk:   func() (doctor.Disk, error) { return doctor.Disk{Free: 50 << 30, Used: 20 << 20}, nil },
		Backup: func() (time.Time, error) { return time.Time{}, nil },
	}, nil
}
