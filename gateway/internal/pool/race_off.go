//go:build !race

package pool

// poisoned: buffers are overwritten when they are Put.
const poisoned = false

func poison([]byte) {}
