//go:build !race

package interop

// scale divides the sizes of the larger tests.
const scale = 1
