package compress_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
)

// TestBudget: files small and large, honest and not, come out whole whoever else expands some at the time, and all of
// the budget is given back.
func TestBudget(t *testing.T) {
	noise := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(noise)
	want := map[string][]byte{
		"plain": []byte("no archive"), "small": bytes.Repeat([]byte("module "), 1000), "bomb": make([]byte, 5<<20), "noise": noise,
		"large": bytes.Repeat(noise, 4),
	}
	files := fstest.MapFS{"broken": {Data: []byte("\xfd7zXZ\x00 nothing more")}}
	for name, data := range want {
		var b bytes.Buffer
		if name == "plain" {
			b.Write(data)
		} else {
			w, err := compress.NewZstdWriter(&b)
			if name == "bomb" {
				w, err = compress.NewXzWriter(&b)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.Write(data)
			w.Close()
		}
		files[name] = &fstest.MapFile{Data: b.Bytes()}
	}
	b := new(compress.Budget)
	defer b.Close()
	read := func(name string, dst []byte, limit int64) ([]byte, compress.Share, error) {
		f, err := files.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return b.Read(f, dst, limit)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var dst []byte
			for range 3 {
				for name, data := range want {
					image, share, err := read(name, dst, 0)
					if err != nil || !bytes.Equal(image, data) {
						t.Errorf("%s: %d bytes, %v; want %d", name, len(image), err, len(data))
					}
					if !share.Large() {
						dst = image
					}
					share.Done()
				}
				if _, _, err := read("broken", dst, 0); err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("broken: %v", err)
				}
				if _, _, err := read("bomb", dst, 1<<20); !errors.Is(err, compress.ErrTooLarge) {
					t.Errorf("bomb beyond the limit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	b.Wait().Done()
}

// TestSharedBudget: files that many goroutines expand by Use, ReadFile and Expand come out whole, also those that turn
// out larger than they seem; what is kept does not change with the next file; and with an error of the caller's the
// turn is given back.
func TestSharedBudget(t *testing.T) {
	const size = 20 << 20 // does not count as small
	files := fstest.MapFS{}
	for _, fill := range []byte{1, 2} {
		var b bytes.Buffer
		w, err := compress.NewZstdWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat([]byte{fill}, size))
		w.Close()
		files[string('0'+fill)] = &fstest.MapFile{Data: b.Bytes()}
	}
	files["small"] = &fstest.MapFile{Data: []byte("plain")}
	whole := func(image []byte, fill byte) bool {
		return len(image) == size && image[0] == fill && bytes.Count(image, []byte{fill}) == size
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			kept, _, err := compress.ReadFile(files, "1", nil, 0)
			if err != nil || !whole(kept, 1) {
				t.Errorf("ReadFile: %d bytes, %v", len(kept), err)
			}
			failed := errors.New("failed")
			err = compress.UseFile(files, "2", 0, func(image []byte, format compress.Format) error {
				if format != compress.Zstd || !whole(image, 2) {
					t.Errorf("UseFile: %d bytes of %v", len(image), format)
				}
				return failed
			})
			if err != failed {
				t.Errorf("UseFile: %v", err)
			}
			expanded, err := compress.Expand(nil, files["2"].Data, 0)
			if err != nil || !whole(expanded, 2) || !whole(kept, 1) {
				t.Errorf("Expand: %d bytes, %v, or what was kept has changed", len(expanded), err)
			}
			var pe *fs.PathError
			if err := compress.UseFile(files, "1", size-1, nil); !errors.Is(err, compress.ErrTooLarge) || !errors.As(err, &pe) {
				t.Errorf("beyond the limit: %v", err)
			}
			if err := compress.UseFile(files, "small", 0, func(image []byte, format compress.Format) error {
				if string(image) != "plain" || format != compress.None {
					t.Errorf("%q, %v", image, format)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
