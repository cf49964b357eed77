//go:build race

package metrics

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
