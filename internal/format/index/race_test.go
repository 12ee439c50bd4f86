//go:build race

package index_test

// sync.Pool forgets things at random under the race detector, so that allocations cannot be counted.
const raceDetector = true
