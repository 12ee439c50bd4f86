package compress

import (
	"errors"
	"io/fs"
	"math"
	"sync"
)

// A Budget bounds the memory of files that several goroutines expand at once. All that are expected to be small share
// [budgetSize]; one that is larger than it seemed, or large anyway, is expanded by one goroutine at a time, in memory
// that is kept for the next. So a hostile set of files takes as much as one hostile file, and a little more. The zero
// value is an unused Budget.
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
	// maxIdle is how much memory of the room stays in use between two files.
	maxIdle = 64 << 20
)

// shared is the budget of those who have none of their own: [Use], and what [Read] and [Expand] make room for.
var shared Budget

// A Share is the part of a Budget that an expanded file takes.
type Share struct {
	// Format is how the file was compressed.
	Format Format
	budget *Budget
	size   int64  // 0: the room of large files
	image  []byte // what is in the room
}

// Large reports whether the file is in memory that the next one gets: nothing of it may be kept after Done.
func (s Share) Large() bool { return s.budget != nil && s.size == 0 }

// Done gives the memory of the file back.
func (s Share) Done() {
	switch {
	case s.budget == nil:
	case s.size == 0:
		if int64(len(s.image)) > maxIdle {
			emptyRoom(s.image, s.budget.room)
		}
		s.budget.large.Unlock()
	default:
		s.budget.give(s.size)
	}
}

func (b *Budget) take(n int64) {
	b.mu.Lock()
	b.cond.L = &b.mu
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
	format := Detect(src)
	*p = src[:0]
	buffers.Put(p)
	if err != nil {
		b.give(n)
		return nil, Share{}, err
	}
	return image, Share{Format: format, budget: b, size: n}, nil
}

// expandLarge expands a large file. It is called with the lock of the room.
func (b *Budget) expandLarge(src []byte, limit int64, err error) ([]byte, Share, error) {
	var image []byte
	if err == nil {
		image, err = expandOver(b.roomFor(limit), src, limit)
	}
	if err != nil {
		emptyRoom(b.room, b.room) // a bomb has filled it
		b.large.Unlock()
		return nil, Share{}, err
	}
	return image, Share{Format: Detect(src), budget: b, image: image}, nil
}

// roomFor returns the room, empty, with space for limit bytes. It is called with the lock of the room.
func (b *Budget) roomFor(limit int64) []byte {
	if int64(cap(b.room)) < limit+roomSlack {
		unmapRoom(b.room)
		b.room = mapRoom(limit + roomSlack)
	}
	return b.room[:0]
}

// expandKept expands src into memory of its own. A buffer that grows would take three times the size of a large file,
// of each goroutine: so that is expanded in the room, and moved out of it.
func (b *Budget) expandKept(src []byte, limit int64) ([]byte, error) {
	if limit <= maxShare {
		return expand(nil, src, limit)
	}
	if int64(len(src))*shareRatio <= maxShare {
		image, err := expand(nil, src, maxShare)
		if !errors.Is(err, ErrTooLarge) {
			return image, err
		}
	}
	b.large.Lock()
	defer b.large.Unlock()
	image, err := expand(b.roomFor(limit), src, limit)
	if err != nil {
		emptyRoom(b.room, b.room)
		return nil, err
	}
	return moveOut(image, b.room), nil
}

// images holds buffers for files that are not large.
var images = sync.Pool{New: func() any { return new([]byte) }}

// Use expands a file that has been opened and calls do with the contents, within a budget that all of the program
// share. Nothing of the image may be kept, and do must not read another file by Use, whose turn would not come before
// do returns. The error is that of reading, or else that of do.
func Use(f fs.File, limit int64, do func(image []byte, format Format) error) error {
	buf := images.Get().(*[]byte)
	defer images.Put(buf)
	image, share, err := shared.Read(f, *buf, limit)
	if err != nil {
		return err
	}
	defer share.Done()
	if !share.Large() {
		*buf = image
	}
	return do(image, share.Format)
}

// UseFile is [Use] for a file that is not open yet. Errors of reading are an *[fs.PathError].
func UseFile(fsys fs.FS, name string, limit int64, do func(image []byte, format Format) error) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var failed error
	err = Use(f, limit, func(image []byte, format Format) error {
		failed = do(image, format)
		return nil
	})
	if err != nil {
		return named(name, err)
	}
	return failed
}

// roomSlack is what decoders want behind the data.
const roomSlack = 64 << 10

// expandOver is expand, but always writes over dst.
func expandOver(dst, src []byte, limit int64) ([]byte, error) {
	image, err := expand(dst, src, limit)
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
