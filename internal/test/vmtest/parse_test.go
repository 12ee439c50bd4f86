//go:build linux

package vmtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	out := "kernel noise\r\n" +
		"=== RUN   TestGuestA\r\n    a_test.go:1: said\r\n--- PASS: TestGuestA (0.00s)\r\n" +
		"=== RUN   TestGuestB\r\n=== RUN   TestGuestB/sub\r\n    --- FAIL: TestGuestB/sub (0.00s)\r\n        x\r\n--- FAIL: TestGuestB (0.10s)\r\n" +
		"=== RUN   TestGuestC\r\n--- SKIP: TestGuestC (0.00s)\r\n" +
		"=== RUN   TestGuestD\r\npanic: at the disco\r\n" +
		"guest: exit status 2\r\n[    1.0] log\r\n"
	want := []result{
		{"TestGuestA", "PASS", "    a_test.go:1: said\n"},
		{"TestGuestB", "FAIL", "=== RUN   TestGuestB/sub\n    --- FAIL: TestGuestB/sub (0.00s)\n        x\n"},
		{"TestGuestC", "SKIP", ""},
		{"TestGuestD", "", "panic: at the disco\n"},
	}
	got, rest := parse([]byte(out))
	if d := cmp.Diff(want, got, cmp.AllowUnexported(result{})); d != "" {
		t.Error(d)
	}
	if want := "kernel noise\nguest: exit status 2\n[    1.0] log\n"; rest != want {
		t.Errorf("rest = %q, want %q", rest, want)
	}
}
