package machine

import (
	"context"

	"github.com/todoku/todoku/shared/heal"
)

// sweeper looks for what has got stuck.
func (m *Machine) sweeper() *heal.Sweeper {
	return &heal.Sweeper{
		Records: m.stuck(), Alerts: m.Alerts, Gate: m.Gate, Jobs: m.Jobs, Now: m.cfg.Now,
		Waiting: func(context.Context) (int, error) {
			s, err := m.Copies.Stats()
			return s.Visible + s.InFlight + s.Hidden, err
		},
	}
}

// stuck is what it has found.
func (m *Machine) stuck() heal.Records { return heal.Records{Table: m.store} }
