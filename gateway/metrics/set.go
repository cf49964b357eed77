package metrics

// Set holds the cells of one gateway: one for each shard, and one for the edge
// with everything that happens before a connection has a shard (accepting,
// handshakes) or outside of all of them (the server API). It is a
// prometheus.Collector of their sums; see names.go for what it shows.
type Set struct {
	// Static after construction. The edge's cell is the last.
	cells []Cell
	names names
}

// NewSet returns the zeroed cells of n shards and of the edge. It panics if n
// is negative.
func NewSet(n int) *Set {
	return &Set{cells: make([]Cell, n+1), names: newNames()}
}

// Shards is the number of shards the set was made for.
func (s *Set) Shards() int { return len(s.cells) - 1 }

// Cell is the cell of shard i, from 0 to Shards()-1. It stays valid, and is the
// same one, for as long as the set lives. Any goroutine may call it.
func (s *Set) Cell(i int) *Cell { return &s.cells[:len(s.cells)-1][i] }

// Edge is the cell of what belongs to no shard. Any goroutine may call it.
func (s *Set) Edge() *Cell { return &s.cells[len(s.cells)-1] }
