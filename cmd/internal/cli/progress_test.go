package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestProgress: a line comes with each tick, and goes away at the end; in a pipe there is none.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{w: &out, what: "depmod: modules read"}
	if n := p.show(); n != 0 || out.Len() > 0 {
		t.Errorf("nothing is known yet: %d, %q", n, &out)
	}
	p.Set(3, 40)
	p.Set(2, 40) // a goroutine that comes late
	ticks := make(chan time.Time)
	p.start(ticks, func() {})
	ticks <- time.Time{}
	p.End()
	line := "\rdepmod: modules read: 3 of 40"
	if want := line + "\r" + strings.Repeat(" ", len(line)-1) + "\r"; out.String() != want {
		t.Errorf("progress = %q; want %q", &out, want)
	}

	l, stderr, _ := testLogger(LevelWarning)
	p = StartProgress(l.Env, "modules read")
	p.Set(1, 2)
	p.End()
	if p.end != nil || stderr.Len() > 0 {
		t.Errorf("in a pipe: %q", stderr)
	}
}

// TestColoured: our own sequences reach a terminal, those in names do not.
func TestColoured(t *testing.T) {
	var screen bytes.Buffer
	o := NewOutput(&visible{w: &screen, terminal: func() bool { return true }})
	o.Coloured(Red, "FAILS")
	o.Line(" a\x1b[32mb")
	o.Coloured(Plain, "LOADS")
	o.Flush()
	if want := "\x1b[31mFAILS\x1b[0m a\\x1b[32mb\nLOADS"; screen.String() != want {
		t.Errorf("on a terminal: %q; want %q", &screen, want)
	}
	l, _, _ := testLogger(LevelWarning)
	env := map[string]string{}
	l.Env.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	l.Env.Stdout = new(bytes.Buffer)
	if l.Colours("") || l.Colours("auto") || l.Colours("never") || !l.Colours("always") {
		t.Error("colours in a pipe, or none with always")
	}
	env["NO_COLOR"] = "1"
	if l.Colours("auto") || !l.Colours("always") {
		t.Error("NO_COLOR counts for auto, not for always")
	}
}
