//go:build race

package ws

// raceDetector: sync.Pool drops objects at random, so allocations cannot be counted.
const raceDetector = true
