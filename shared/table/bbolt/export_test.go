package bbolt

// Waiting returns how many writers are in line.
func Waiting(g *Group) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}
