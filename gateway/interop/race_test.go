//go:build race

package interop

// scale divides the sizes of the larger tests: the race detector makes each
// step about ten times as slow.
const scale = 10
