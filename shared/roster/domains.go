package roster

import (
	"maps"
	"slices"

	"github.com/todoku/todoku/shared/lang"
)

// Domains returns the mail domains of the addresses in the rows that would be
// written, each once, in their order.
func (p *Plan) Domains() []string {
	return slices.Sorted(maps.Keys(p.rowsByDomain()))
}

// Doubt adds what is wrong with mail domains to the warnings of the rows that have
// an address there. The rows are written all the same: they hold a child, phones
// and often another address, which must not be lost for one domain.
func (p *Plan) Doubt(wrong map[string]lang.Text) {
	rows := p.rowsByDomain()
	for domain, text := range wrong {
		for _, row := range rows[domain] {
			p.Warnings = append(p.Warnings, Note{Row: row, Field: Mail, Message: text})
		}
	}
	p.Warnings = byRow(p.Warnings)
}

func (p *Plan) rowsByDomain() map[string][]int {
	rows := map[string][]int{}
	for _, s := range p.steps {
		for _, pupil := range s.pupils {
			for _, e := range pupil.rows {
				for _, g := range e.guardians {
					for _, a := range g.addresses {
						rows[a.Domain] = append(rows[a.Domain], e.number)
					}
				}
			}
		}
	}
	return rows
}
