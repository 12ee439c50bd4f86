package modinfo

import (
	"runtime"
	"sync"
)

// inOrder calls do for the ranges that the numbers below n fall into, each of at most size numbers, on all processors,
// and done for the results, one at a time and in order of the ranges. No more than maxWaiting results wait for an
// earlier one. What done returns is given to a later call of do, as its first argument, to use it again.
func inOrder[R any](n, size int, do func(old R, from, to int) R, done func(R) R) {
	procs := min(runtime.GOMAXPROCS(0), n)
	size = max(1, min(size, n/(4*max(procs, 1)))) // so that all have something to do until the end
	w := &ordered[R]{count: (n + size - 1) / size}
	w.turn.L = &w.mu
	work := func() {
		for {
			i, old := w.begin()
			if i < 0 {
				return
			}
			w.end(i, do(old, i*size, min(i*size+size, n)), done)
		}
	}
	var others sync.WaitGroup
	for range procs - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// maxWaiting is how many results can wait for one that takes long.
const maxWaiting = 32

// ordered is what the workers of inOrder share.
type ordered[R any] struct {
	mu      sync.Mutex
	turn    sync.Cond // that the room in ring has changed
	count   int       // ranges
	next    int       // the first that nobody works on
	oldest  int       // the first that done has not had
	handing bool      // a worker calls done

	ring  [maxWaiting]R    // results from oldest on, by their number modulo the length
	ready [maxWaiting]bool // which of them wait for done
	spare []R              // results that done has returned
}

// begin returns the next range to work on, -1 if there is none, and a result to use again.
func (w *ordered[R]) begin() (i int, old R) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.next < w.count && w.next-w.oldest >= maxWaiting {
		w.turn.Wait()
	}
	if w.next >= w.count {
		return -1, old
	}
	i = w.next
	w.next++
	if n := len(w.spare); n > 0 {
		old = w.spare[n-1]
		w.spare = w.spare[:n-1]
	}
	return i, old
}

// end takes a result, and hands it and those it held up to done, unless another worker is at it.
func (w *ordered[R]) end(i int, result R, done func(R) R) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring[i%maxWaiting], w.ready[i%maxWaiting] = result, true
	if w.handing {
		return
	}
	w.handing = true
	for at := w.oldest % maxWaiting; w.ready[at]; at = w.oldest % maxWaiting {
		result := w.ring[at]
		w.mu.Unlock()
		result = done(result)
		w.mu.Lock()
		w.spare = append(w.spare, result)
		w.ready[at] = false
		w.oldest++
		w.turn.Broadcast()
	}
	w.handing = false
}
