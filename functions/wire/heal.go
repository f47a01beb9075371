package wire

import (
	"github.com/todoku/todoku/shared/heal"
)

// sweeper looks for what has got stuck.
func (p *Parts) sweeper() *heal.Sweeper {
	return &heal.Sweeper{
		Records: p.stuck(), Alerts: p.Alerts(), Gate: p.gate(), Events: true, Jobs: p.Jobs(), Waiting: p.Copies().Holds, Now: p.Now,
	}
}

// stuck is what it has found.
func (p *Parts) stuck() heal.Records { return heal.Records{Table: p.store} }
