package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// testLogger returns a logger and where it writes.
func testLogger(level int) (l *Logger, stderr *bytes.Buffer, datagrams *[]string) {
	stderr, datagrams = new(bytes.Buffer), new([]string)
	return NewLogger(&Env{
		Args:   []string{"/sbin/modprobe"},
		Stderr: stderr,
		Syslog: func(b []byte) error { *datagrams = append(*datagrams, string(b)); return nil },
		Now:    func() time.Time { return time.Date(2026, 11, 2, 6, 19, 21, 0, time.UTC) },
	}, level), stderr, datagrams
}

func TestLogger(t *testing.T) {
	l, stderr, datagrams := testLogger(LevelWarning)
	l.Fatalf("Module %s not found.", "nope")
	l.Errorf("e")
	l.Warningf("w")
	l.Noticef("n")
	l.Logf(LevelInfo, "i")
	l.Logf(9, "hidden")
	l.Hintf("try %d", 2)
	want := "modprobe: FATAL: Module nope not found.\nmodprobe: ERROR: e\nmodprobe: WARNING: w\nmodprobe: NOTICE: try 2\n"
	if got := stderr.String(); got != want || *datagrams != nil {
		t.Errorf("stderr = %q; want %q; syslog: %q", got, want, *datagrams)
	}
	l.Level = 0
	l.Errorf("e")
	l.Hintf("h")
	if got := stderr.String(); got != want {
		t.Errorf("-q: stderr = %q", got)
	}
	l.Level = 9
	l.Logf(9, "x")
	if got := stderr.String(); !strings.HasSuffix(got, "modprobe: LOG-009: x\n") {
		t.Errorf("stderr = %q", got)
	}
}

// TestSyslog has the datagram as kmod sends it: facility daemon, no process id.
func TestSyslog(t *testing.T) {
	const want = "<26>Nov  2 06:19:21 modprobe: FATAL: Module nope not found\n"
	l, stderr, datagrams := testLogger(LevelWarning)
	l.Syslog = true
	l.Fatalf("Module nope not found")
	if !slices.Equal(*datagrams, []string{want}) || stderr.Len() > 0 {
		t.Errorf("syslog = %q, stderr = %q; want %q", *datagrams, stderr, want)
	}
	l, stderr, datagrams = testLogger(LevelWarning)
	asked := 0
	l.Env.StderrClosed = func() bool { asked++; return true }
	l.Logf(LevelDebug, "not shown")
	if asked != 0 {
		t.Error("asked about stderr before there was a message")
	}
	l.Fatalf("Module nope not found")
	l.Fatalf("Module nope not found")
	if !slices.Equal(*datagrams, []string{want, want}) || stderr.Len() > 0 || asked != 1 {
		t.Errorf("stderr closed: syslog = %q, stderr = %q, asked %d times", *datagrams, stderr, asked)
	}
}
