package problem

import (
	"errors"
	"fmt"
	"testing"
)

func TestMendable(t *testing.T) {
	wrong, foreign := New(Invalid, "直してください。", "Correct it."), New(Forbidden, "できません。", "You cannot.")
	tests := map[string]struct {
		err  error
		also []Kind
		want bool
	}{
		"an input":                  {wrong, nil, true},
		"wrapped":                   {fmt.Errorf("school: %w", wrong), nil, true},
		"several":                   {List{wrong, foreign}, nil, true},
		"what will pass":            {New(Busy, "混雑", "Busy"), nil, true},
		"another's":                 {foreign, nil, false},
		"another's, which is shown": {foreign, []Kind{Forbidden}, true},
		"our fault":                 {errors.New("disk full"), []Kind{Forbidden}, false},
		"none":                      {List{}, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Of(tt.err).Mendable(tt.also...); got != tt.want {
				t.Errorf("mendable: %v", got)
			}
		})
	}
}
