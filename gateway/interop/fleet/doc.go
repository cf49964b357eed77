// Package fleet tests a fleet of processes from outside, and what becomes of its
// clients when parts of it fail. Its tests have the build tag fleet:
//
//	make test-fleet
package fleet
