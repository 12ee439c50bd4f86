//go:build !race

package modprobe_test

const raceDetector = false
