package tool

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/koelf"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// A modinfoResult is what is to be printed about one module.
type modinfoResult struct {
	out      []byte
	messages []modinfoMessage
	failed   bool
}

// A modinfoMessage is kmod's error, or a hint of ours behind it.
type modinfoMessage struct {
	hint bool
	text string
}

// fail notes an error that makes the exit status 1.
func (r *modinfoResult) fail(text string) {
	r.messages = append(r.messages, modinfoMessage{text: text})
	r.failed = true
}

// hint notes what helps with the error before it, if there is something.
func (r *modinfoResult) hint(text string) {
	if text != "" {
		r.messages = append(r.messages, modinfoMessage{true, text})
	}
}

// runModinfo shows the modules of all operands: read in parallel, printed in
// order.
func runModinfo(env *Env, log *logger, args *modinfoArgs) int {
	var mu sync.Mutex
	finder, err := newModinfoFinder(env, args, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		log.hint("%v", err)
	})
	if err != nil {
		log.error("%v", err)
		return 1
	}
	status := 0
	out := bufio.NewWriterSize(env.Stdout, 1<<16)
	view := &modinfoView{args: args, finder: finder}
	shown := false
	show := func(r *modinfoResult) {
		if len(r.out) > 0 {
			out.WriteString(view.before(shown))
			out.Write(r.out)
			shown = true
		}
		if len(r.messages) > 0 {
			out.Flush()
		}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range r.messages {
			if m.hint {
				log.hint("%s", m.text)
			} else {
				log.error("%s", m.text)
			}
		}
		if r.failed {
			status = 1
		}
		view.pool.Put(r)
	}
	if len(args.operands) > 1 {
		defer limitMemory(modinfoMemory)()
	}
	inOrder(finder.targets(args.operands), view.show, show)
	out.WriteString(view.end(shown))
	if err := out.Flush(); err != nil {
		log.error("could not write: %s", strerror(err))
		return 1
	}
	return status
}

// modinfoMemory is the memory from which on garbage is collected at once: the
// buffers for large modules are most of it.
const modinfoMemory = 40 << 20

// limitMemory makes the collector work harder once this many bytes are in use,
// unless the environment has set a limit. It returns a function that undoes it.
func limitMemory(bytes int64) (undo func()) {
	before := debug.SetMemoryLimit(-1)
	if before != math.MaxInt64 {
		return func() {}
	}
	debug.SetMemoryLimit(bytes)
	return func() { debug.SetMemoryLimit(before) }
}

// inOrder applies do to every value of in, on all processors, and done to the
// results, one after another and in order. Only a few more results than
// processors are kept at a time.
func inOrder[T, R any](in func(yield func(T) bool), do func(T) R, done func(R)) {
	type job struct {
		value  T
		result chan R
	}
	var jobs chan job // to the workers
	var wait chan job // the same, in order; its room limits how far the workers are ahead
	finished := make(chan struct{})
	var held *T
	start := func() {
		n := runtime.GOMAXPROCS(0)
		jobs, wait = make(chan job, n), make(chan job, 2*n)
		for range n {
			go func() {
				for j := range jobs {
					j.result <- do(j.value)
				}
			}()
		}
		go func() {
			defer close(finished)
			for j := range wait {
				done(<-j.result)
			}
		}()
	}
	send := func(v T) {
		j := job{v, make(chan R, 1)}
		wait <- j
		jobs <- j
	}
	in(func(v T) bool {
		if jobs == nil && held == nil {
			held = &v // it may remain the only one
			return true
		}
		if jobs == nil {
			start()
			send(*held)
		}
		send(v)
		return true
	})
	if jobs != nil {
		close(jobs)
		close(wait)
		<-finished
	} else if held != nil {
		done(do(*held))
	}
}

// failRead notes that a module cannot be read: kmod's words, and behind them
// what kmod does not say.
func (r *modinfoResult) failRead(t *modinfoTarget, err error) {
	reason, hint := "", ""
	var bad *modinfo.FormatError
	if errors.As(err, &bad) {
		hint = fmt.Sprintf("%s: %s at offset %d", t.path, bad.What, bad.Off)
	}
	switch {
	case errors.Is(err, koelf.ErrNotELF):
		reason = "Exec format error"
	case errors.Is(err, modinfo.ErrNoInfo), errors.Is(err, koelf.ErrNoSection):
		reason = "No data available"
	case errors.Is(err, modinfo.ErrFormat):
		reason = "Invalid argument"
	case errors.Is(err, modinfo.ErrTooLarge), errors.Is(err, errors.ErrUnsupported):
		reason, hint = "Invalid argument", fmt.Sprintf("%s: %v", t.path, err)
	default:
		reason = strerror(err)
	}
	r.fail(fmt.Sprintf("could not get modinfo from '%s': %s", t.name, reason))
	r.hint(hint)
}
