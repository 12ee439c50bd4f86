//go:build !linux

package kmodtest

import "testing"

func asNobody(t *testing.T, _ string) {
	t.Helper()
	Missing(t, "tests run as another user on Linux only")
}
