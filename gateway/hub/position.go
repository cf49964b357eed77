package hub

import "time"

// Position is a place in a channel's history.
type Position struct {
	// Epoch names one life of the history: when it has changed, offsets of before
	// mean nothing. 1 to 32 characters of A-Z a-z 0-9 _ -; "" is no position.
	Epoch string
	// Offset grows with every publication of the channel, not always by 1.
	Offset uint64
}

// History is how much of a class of channels is kept.
type History struct {
	// Class names the class of channels, the same on all nodes of a fleet.
	Class string
	// Size is how many publications of a channel are kept, at least 1.
	Size int
	// TTL is how long a publication is kept.
	TTL time.Duration
}

// Kept is a publication in a history.
type Kept struct {
	Position
	// Payload is shared, and never changes.
	Payload []byte
	Binary  bool
	At      time.Time
	// Missing: the history has it, and this node does not take it. Nothing but its Position is known.
	Missing bool
}

// Past is a piece of a channel's history.
type Past struct {
	// Kept are its publications, in order, and what this node lacks of them.
	Kept []Kept
	// Top is where the history is now: what is published later lies after it.
	Top Position
	// Floor: what lies after it, up to Top, is in Kept, or Kept was cut short.
	Floor uint64
	// Complete: nothing after the asked position is missing before the first of Kept. Those of
	// Kept that are Missing are, nevertheless.
	Complete bool
	// Before: in the epoch before Top's, offsets up to this one were those of the same
	// publications. The zero Position: nothing is known of an epoch before.
	Before Position
}

// In is at in the epoch now, where it is a position of the epoch before that lies in
// what both have in common; else it is at itself.
func (at Position) In(now string, before Position) Position {
	if at.Epoch == before.Epoch && at.Epoch != "" && at.Offset <= before.Offset {
		at.Epoch = now
	}
	return at
}
