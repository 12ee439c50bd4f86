package initramfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// FuzzImage reads and unpacks what may not be an image: names stay inside, errors tell the member, what was read
// twice is the same, and nothing appears beside the folder that it is unpacked into.
func FuzzImage(f *testing.F) {
	for _, c := range []initramfs.Compression{initramfs.Plain, initramfs.Gzip, initramfs.Xz, initramfs.Zstd} {
		var image bytes.Buffer
		if err := initramfs.Write(&image, viewed, &initramfs.WriteOptions{Compression: c}); err != nil {
			f.Fatal(err)
		}
		fuzzseed.Add(f, image.Bytes())
		fuzzseed.Add(f, append(make([]byte, 4), image.Bytes()...))
	}
	fuzzseed.Add(f, bytes.ReplaceAll(plainImage(f), []byte("usr/lib\x00"), []byte("../../x\x00")))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := readAll(t, data)
		second, again := readAll(t, data)
		if first != second || (err == nil) != (again == nil) {
			t.Errorf("read twice: %d and %d bytes, %v and %v", len(first), len(second), err, again)
		}
		outside := t.TempDir()
		inside := filepath.Join(outside, "inside")
		if err := os.Mkdir(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inside)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		var bad *initramfs.ImageError
		if err := initramfs.Extract(bytes.NewReader(data), root, nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("error without a member: %v", err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
			t.Errorf("outside: %v, %v", list, err)
		}
	})
}

func plainImage(t testing.TB) []byte {
	var image bytes.Buffer
	if err := initramfs.Write(&image, viewed, nil); err != nil {
		t.Fatal(err)
	}
	return image.Bytes()
}

// readAll reads an image whole, up to a limit, and returns its names and contents.
func readAll(t *testing.T, data []byte) (string, error) {
	var all bytes.Buffer
	r := initramfs.NewReader(bytes.NewReader(data))
	for f, err := range r.All() {
		if err != nil {
			var bad *initramfs.ImageError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > int64(len(data)) {
				t.Errorf("error without a member: %v", err)
			}
			return all.String(), err
		}
		if f.Path == "" || f.Path[0] == '/' || f.Path == ".." || len(f.Path) > 3 && f.Path[:3] == "../" {
			t.Errorf("path %q", f.Path)
		}
		if f.Mode&fs.ModeSymlink != 0 {
			all.WriteString(f.Target)
		}
		all.WriteString(f.Path)
		if all.Len() > 16<<20 {
			return all.String(), nil
		}
		if _, err := io.Copy(&all, io.LimitReader(r, 1<<20)); err != nil {
			return all.String(), err
		}
	}
	return all.String(), nil
}
