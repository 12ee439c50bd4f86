package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressAfter is how long a command works in silence, and how often it says more then.
const progressAfter = 500 * time.Millisecond

// Progress says on a terminal, in one line that goes away at the end, how far a command is. It says nothing before half
// a second, and nothing in pipes and files.
type Progress struct {
	w    io.Writer
	what string
	end  chan struct{} // closed by End; nil if nothing is to be shown
	gone sync.WaitGroup

	mu        sync.Mutex
	done, all int
}

// StartProgress begins to count what, such as "modules read". End must be called.
func StartProgress(env *Env, what string) *Progress {
	p := &Progress{w: env.Stderr, what: Program(env) + ": " + what}
	if !IsTerminal(env.Stderr) {
		return p
	}
	ticks := time.NewTicker(progressAfter)
	p.start(ticks.C, ticks.Stop)
	return p
}

// start shows the state at each tick.
func (p *Progress) start(ticks <-chan time.Time, stop func()) {
	p.end = make(chan struct{})
	p.gone.Go(func() {
		defer stop()
		width := 0
		for {
			select {
			case <-ticks:
				width = max(width, p.show())
			case <-p.end:
				if width > 0 {
					writeRaw(p.w, "\r"+strings.Repeat(" ", width)+"\r")
				}
				return
			}
		}
	})
}

// show writes the line over the one before, and returns its width.
func (p *Progress) show() int {
	p.mu.Lock()
	done, all := p.done, p.all
	p.mu.Unlock()
	if all == 0 {
		return 0
	}
	line := fmt.Sprintf("%s: %d of %d", p.what, done, all)
	writeRaw(p.w, "\r"+line)
	return len(line)
}

// Set tells how much is done. It is safe for concurrent use; what is done does not become less.
func (p *Progress) Set(done, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.all = max(done, p.done), all
}

// End takes the line away.
func (p *Progress) End() {
	if p.end != nil {
		close(p.end)
		p.gone.Wait()
		p.end = nil
	}
}

// writeRaw writes control characters of our own, which a terminal does not get otherwise.
func writeRaw(w io.Writer, text string) {
	if v, ok := w.(*visible); ok {
		w = v.w
	}
	io.WriteString(w, text)
}
