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
