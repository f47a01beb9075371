package config

import "testing"

// SetNeeds adds a function for the time of a test.
func SetNeeds(t *testing.T, function string, vars []Var) {
	needs[function] = vars
	t.Cleanup(func() { delete(needs, function) })
}
