package compress_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/klauspost/compress/zstd"
)

// text is what the samples hold.
var text = bytes.Repeat([]byte("All modules are equal, but some are more equal than others.\n"), 3000)

func samples(t testing.TB) map[compress.Format][]byte {
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(text)
	w.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	xz, err := base64.StdEncoding.DecodeString(xzText)
	if err != nil {
		t.Fatal(err)
	}
	return map[compress.Format][]byte{
		compress.None: text,
		compress.Gzip: gz.Bytes(),
		compress.Xz:   xz,
		compress.Zstd: enc.EncodeAll(text, nil),
	}
}

func TestExpand(t *testing.T) {
	for format, file := range samples(t) {
		if got := compress.Detect(file[:6]); got != format {
			t.Errorf("Detect(%s file) = %s", format, got)
		}
		buf := make([]byte, 10)
		for range 2 {
			got, err := compress.Expand(buf, file, 0)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("Expand(%s file) = %d bytes, %v; want %d bytes", format, len(got), err, len(text))
			}
			buf = got
		}
		if _, err := compress.Expand(nil, file, int64(len(text))); err != nil {
			t.Errorf("Expand(%s file) to just the limit: %v", format, err)
		}
		if _, err := compress.Expand(nil, file, int64(len(text)-1)); !errors.Is(err, compress.ErrTooLarge) {
			t.Errorf("Expand(%s file) to more than the limit: %v; want %v", format, err, compress.ErrTooLarge)
		}
		got, f, err := compress.ReadFile(fstest.MapFS{"a": {Data: file}}, "a", nil, 0)
		if err != nil || f != format || !bytes.Equal(got, text) {
			t.Errorf("ReadFile(%s file) = %d bytes, %s, %v; want %d bytes", format, len(got), f, err, len(text))
		}
		if format == compress.None {
			continue
		}
		for n := 6; n < len(file); n++ {
			if got, err := compress.Expand(nil, file[:n], 0); err == nil {
				t.Errorf("Expand(%d bytes of a %s file of %d) = %d bytes, no error", n, format, len(file), len(got))
			}
		}
	}
}

// xzText is text as xz(1) writes it.
const xzText = "/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4r8fAJJdACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDpXdByqwZqiU7yohW9vxIvsT4wvkFI2CLHtE+Jz1hKN9ffVc58RiQfErESwpbjJdmZWZ6xSsLW2lPvOyu2VqJIhUaIwk/qr8eBpaOLN68zY6a59FRTOqNMAAAAA9Qo8XgABqgGg/goAsGBsTj4wDYsCAAAAAAFZWg=="
