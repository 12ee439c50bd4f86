package modinfo

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime/debug"
	"sync"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/modinfo"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A modinfoResult is what is to be printed about some modules, one after the other.
type modinfoResult struct {
	out   []byte        // of all of them
	parts []modinfoPart // one for each
}

// A modinfoPart is what is to be printed about one module, and said about it behind that.
type modinfoPart struct {
	start, end int // in modinfoResult.out
	messages   []modinfoMessage
	failed     bool
}

// A modinfoMessage is kmod's error, or a hint of ours behind it.
type modinfoMessage struct {
	hint bool
	text string
}

// part is that of the module at hand.
func (r *modinfoResult) part() *modinfoPart { return &r.parts[len(r.parts)-1] }

// message notes an error.
func (r *modinfoResult) message(text string) {
	p := r.part()
	p.messages = append(p.messages, modinfoMessage{text: text})
}

// fail notes an error that makes the exit status 1.
func (r *modinfoResult) fail(text string) {
	r.message(text)
	r.part().failed = true
}

// hint notes what helps with the error before it, if there is something.
func (r *modinfoResult) hint(text string) {
	if text != "" {
		p := r.part()
		p.messages = append(p.messages, modinfoMessage{true, text})
	}
}

// modinfoBatch is how many operands a processor deals with before it hands over what to print.
const modinfoBatch = 16

// runModinfo shows the modules of all operands: read in parallel, printed in order.
func runModinfo(env *cli.Env, log *cli.Logger, args *modinfoArgs) int {
	var mu sync.Mutex
	finder, err := newModinfoFinder(env, args, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		log.Hintf("%v", err)
	})
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	size := modinfoBatch
	if args.view != 0 {
		size = 1 // there is much to show about each
	}
	if len(args.operands) > 1 {
		defer limitMemory()()
	}
	view := &modinfoView{args: args, finder: finder}
	p := modinfoPrinter{log: log, mu: &mu, view: view, out: bufio.NewWriterSize(env.Stdout, 1<<16)}
	inOrder(len(args.operands), size, view.showAll, p.print)
	return p.close()
}

// A modinfoPrinter prints results.
type modinfoPrinter struct {
	view   *modinfoView
	out    *bufio.Writer
	log    *cli.Logger
	mu     *sync.Mutex // for log
	shown  bool        // something has been printed
	failed bool        // something was wrong with an operand
}

// print prints what was found out about some modules.
func (p *modinfoPrinter) print(r *modinfoResult) *modinfoResult {
	for _, part := range r.parts {
		if part.end > part.start {
			p.out.WriteString(p.view.before(p.shown))
			p.out.Write(r.out[part.start:part.end])
			p.shown = true
		}
		if len(part.messages) > 0 {
			p.out.Flush()
			p.say(part.messages)
		}
		p.failed = p.failed || part.failed
	}
	return r
}

// say shows messages.
func (p *modinfoPrinter) say(list []modinfoMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range list {
		if m.hint {
			p.log.Hintf("%s", m.text)
		} else {
			p.log.Errorf("%s", m.text)
		}
	}
}

// close prints what remains and returns the exit status.
func (p *modinfoPrinter) close() int {
	p.out.WriteString(p.view.end(p.shown))
	if err := p.out.Flush(); err != nil {
		p.log.Errorf("could not write: %s", cli.Strerror(err))
		return 1
	}
	if p.failed {
		return 1
	}
	return 0
}

// limitMemory sets how much memory is used before garbage is collected, unless the environment does: as much as costs
// nobody anything, but not in proportion to the buffers for large modules, which are most of it. It returns a function
// that undoes it.
func limitMemory() (undo func()) {
	const (
		percent = 400
		limit   = 40 << 20
	)
	before := debug.SetMemoryLimit(-1)
	if before != math.MaxInt64 {
		return func() {}
	}
	debug.SetMemoryLimit(limit)
	old := debug.SetGCPercent(percent)
	if old != 100 {
		debug.SetGCPercent(old) // the environment's
	}
	return func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(old)
	}
}

// failRead notes that a module cannot be read: kmod's words, and behind them
// what kmod does not say.
func (r *modinfoResult) failRead(p *modprobe.Prober, t *modinfoTarget, err error) {
	reason, hint := "", ""
	var bad *modinfo.FormatError
	if errors.As(err, &bad) {
		hint = fmt.Sprintf("%s: %s at offset %d", t.path, bad.What, bad.Off)
	}
	switch {
	case errors.Is(err, elf.ErrNotELF):
		reason = "Exec format error"
	case errors.Is(err, modinfo.ErrNoInfo), errors.Is(err, elf.ErrNoSection):
		reason = "No data available"
	case errors.Is(err, modinfo.ErrFormat):
		reason = "Invalid argument"
	case errors.Is(err, modinfo.ErrTooLarge), errors.Is(err, errors.ErrUnsupported):
		reason, hint = "Invalid argument", fmt.Sprintf("%s: %v", t.path, cli.Bare(err))
	default:
		reason = cli.Strerror(err)
		if t.name != "" && errors.Is(err, fs.ErrNotExist) {
			hint = cli.Judged(p)
		}
	}
	r.fail(fmt.Sprintf("could not get modinfo from '%s': %s", t.moduleName(), reason))
	r.hint(hint)
}
