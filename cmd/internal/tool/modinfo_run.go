package tool

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/koelf"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// A modinfoTarget is one module to show.
type modinfoTarget struct {
	name    string // of the module, for messages
	path    string // of the file, as it is shown
	builtin bool
	found   error // if the operand led nowhere: what to say
}

// A modinfoResult is what is to be printed about one module.
type modinfoResult struct {
	out    []byte
	errors []string
	failed bool
}

// runModinfo shows the modules of all operands: read in parallel, printed in
// order.
func runModinfo(env *Env, log *logger, args *modinfoArgs) int {
	finder, err := newModinfoFinder(env, args)
	if err != nil {
		log.error("%v", err)
		return 1
	}
	defer finder.close()
	status := 0
	out := bufio.NewWriterSize(env.Stdout, 1<<16)
	view := newModinfoView(finder, args)
	shown := false
	show := func(r *modinfoResult) {
		if len(r.out) > 0 && shown {
			out.WriteString(view.between())
		}
		shown = shown || len(r.out) > 0
		out.Write(r.out)
		if len(r.errors) > 0 {
			out.Flush()
		}
		for _, text := range r.errors {
			log.error("%s", text)
		}
		if r.failed {
			status = 1
		}
	}
	out.WriteString(view.begin())
	inOrder(finder.targets(args.operands), view.show, show)
	out.WriteString(view.end())
	if err := out.Flush(); err != nil {
		log.error("could not write: %s", strerror(err))
		return 1
	}
	return status
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

// modinfoReason is what kmod says about a module that cannot be read, and in a
// second text what it does not say.
func modinfoReason(t *modinfoTarget, err error) (texts []string) {
	reason := ""
	var pe *fs.PathError
	switch {
	case errors.Is(err, koelf.ErrNotELF):
		reason = "Exec format error"
	case errors.Is(err, modinfo.ErrNoInfo):
		reason = "No data available"
	case errors.Is(err, modinfo.ErrFormat), errors.Is(err, compress.ErrTooLarge):
		reason = "Invalid argument"
	case errors.As(err, &pe) || err != nil:
		reason = strerror(err)
	}
	texts = []string{fmt.Sprintf("could not get modinfo from '%s': %s", t.name, reason)}
	var bad *modinfo.FormatError
	switch {
	case errors.As(err, &bad):
		texts = append(texts, fmt.Sprintf("%s: %s at offset %d", t.path, bad.What, bad.Off))
	case errors.Is(err, compress.ErrTooLarge), errors.Is(err, errors.ErrUnsupported):
		texts = append(texts, fmt.Sprintf("%s: %v", t.path, err))
	}
	return texts
}
