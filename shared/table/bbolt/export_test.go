package bbolt

import "crypto/sha256"

// GroupOf returns the group of a table.
func GroupOf(t *Table) *Group { return t.group }

// Waiting returns how many writers are in line.
func Waiting(g *Group) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// Seal returns the seal of data.
func Seal(data []byte) []byte {
	sum := sha256.New()
	sum.Write(data)
	return seal(int64(len(data)), sum)
}
