package compress

import (
	"errors"
	"io/fs"
	"math"
	"sync"
)

// A Budget bounds the memory of files that several goroutines expand at once. All that are expected to be small share
// [budgetSize]; one that is larger than it seemed, or large anyway, is expanded by one goroutine at a time, in memory
// that is kept for the next. So a hostile set of files takes as much as one hostile file, and a little more.
type Budget struct {
	mu    sync.Mutex
	cond  sync.Cond
	used  int64
	large sync.Mutex // held by the goroutine that uses room
	room  []byte
}

const (
	budgetSize = 32 << 20
	// maxShare is the size in bytes up to which a file counts as small. A module expands to three to five times its
	// size.
	maxShare   = 16 << 20
	shareRatio = 6
	minShare   = 256 << 10
)

// NewBudget returns an unused Budget.
func NewBudget() *Budget {
	b := new(Budget)
	b.cond.L = &b.mu
	return b
}

// A Share is the part of a Budget that an expanded file takes.
type Share struct {
	budget *Budget
	size   int64 // 0: the room of large files
}

// Large reports whether the file is in memory that the next one gets: nothing of it may be kept after Done.
func (s Share) Large() bool { return s.budget != nil && s.size == 0 }

// Done gives the memory of the file back.
func (s Share) Done() {
	switch {
	case s.budget == nil:
	case s.size == 0:
		s.budget.large.Unlock()
	default:
		s.budget.give(s.size)
	}
}

func (b *Budget) take(n int64) {
	b.mu.Lock()
	for b.used+n > budgetSize {
		b.cond.Wait()
	}
	b.used += n
	b.mu.Unlock()
}

func (b *Budget) give(n int64) {
	b.mu.Lock()
	b.used -= n
	b.mu.Unlock()
	b.cond.Broadcast()
}

// Wait takes the place of a large file that is not expanded but needs much memory all the same.
func (b *Budget) Wait() Share {
	b.large.Lock()
	return Share{budget: b}
}

// Read is [Read], within the budget. Done has to be called on the Share once nobody needs the image; with an error
// there is nothing to give back. An image that is not Large may be memory of dst.
func (b *Budget) Read(f fs.File, dst []byte, limit int64) (image []byte, share Share, err error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, math.MaxInt-slack)
	size := sizeOf(f)
	if size > limit {
		return nil, Share{}, ErrTooLarge
	}
	n := min(max(shareRatio*size, minShare), limit)
	if n > maxShare {
		b.large.Lock()
		src, err := readAll(make([]byte, 0, size+1), f, limit)
		return b.expandLarge(src, limit, err)
	}
	b.take(n)
	p := buffers.Get().(*[]byte)
	src, err := readAll(grow((*p)[:0], int(size)+1), f, limit)
	if err == nil {
		image, err = expandOver(dst, src, n)
	}
	if errors.Is(err, ErrTooLarge) && n < limit {
		b.give(n)
		b.large.Lock()
		return b.expandLarge(src, limit, nil)
	}
	*p = src[:0]
	buffers.Put(p)
	if err != nil {
		b.give(n)
		return nil, Share{}, err
	}
	return image, Share{b, n}, nil
}

// expandLarge expands a large file. It is called with the lock of the room.
func (b *Budget) expandLarge(src []byte, limit int64, err error) ([]byte, Share, error) {
	if int64(cap(b.room)) < limit+roomSlack {
		unmapRoom(b.room)
		b.room = mapRoom(limit + roomSlack)
	}
	var image []byte
	if err == nil {
		image, err = expandOver(b.room[:0], src, limit)
	}
	if err != nil {
		b.large.Unlock()
		return nil, Share{}, err
	}
	return image, Share{budget: b}, nil
}

// roomSlack is what decoders want behind the data.
const roomSlack = 64 << 10

// expandOver is Expand, but always writes over dst.
func expandOver(dst, src []byte, limit int64) ([]byte, error) {
	image, err := Expand(dst, src, limit)
	if err == nil && Detect(src) == None {
		image = append(grow(dst[:0], len(src)), src...)
	}
	return image, err
}

// Close gives the memory of large files back. No image of one may be used any more.
func (b *Budget) Close() {
	unmapRoom(b.room)
	b.room = nil
}
