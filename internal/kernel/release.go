package kernel

import (
	"strconv"
	"strings"
)

// ParseRelease reads the first two numbers of a release; 0, 0 if it does not begin with them.
func ParseRelease(release string) (major, minor int) {
	a, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(rest[:end])
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	return major, minor
}

// AtLeast compares a release with a version; an unreadable release counts as newest.
func AtLeast(release string, major, minor int) bool {
	a, b := ParseRelease(release)
	return a == 0 && b == 0 || a > major || a == major && b >= minor
}
