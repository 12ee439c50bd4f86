package xz

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"github.com/mikelolasagasti/xz"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// xzSamples are files that xz(1) made: repeated text, except for those whose
// names say something else.
var xzSamples = []struct{ name, file string }{
	{"no check", "/Td6WFoAAAD/EtlBAgAhARYAAAB0L+Wj4Au3AEhdACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDpXdByqwZqiU7ymLvtWAAAAAVy4FwAAAKIwYFWoAAr8AgAAAAAAWVo="},
	{"crc32, other parameters", "/Td6WFoAAAFpIt42AgAhAQAAAAA3J5fW4Au3AEkSACCcBsI9Bjwbnguty6A0SNW7pCmccri8kqpVeLbIDCVjUTUEkIXg0BBI+nU5Uz0AES5PDAh5kU+V0OqGlnAOKEJHjwGfF/S6uAAAAAAAAOPcJAABYbgXAAAA0SSE7T4wDYsCAAAAAAFZWg=="},
	{"crc64", "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Au3AEhdACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDpXdByqwZqiU7ymLvtWAAAtAPc0U5jw4wABZLgXAAAAYrVJvbHEZ/sCAAAAAARZWg=="},
	{"sha256", "/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4Au3AEhdACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDpXdByqwZqiU7ymLvtWAACsnKuilPBVXg2j5iPnAK0UOSYjNWR46td0pL/EzkjcgQABfLgXAAAAlDXMUrbp3xwCAAAAAApZWg=="},
	{"several blocks", "/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4APnAD5dACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDPZfrEAAAAA8YYTcwIAIQEWAAAAdC/lo+AD5wBAXQAQGUongR7Hh4uhDCfmLXlA28/3EepA8wg80zVCmNlZfsAxUpNbXDKLY8jLIkGOZi91mPtSJR+k5ey+W++r9jsAAAPrG1sCACEBFgAAAHQv5aPgA+cAP10ANgsABmRfY0xu87Sby53plSR04R8/NQwJkiAN79LOSuD1JfZJNNUkxNi6Bmn/SauId3JYVuoavHYxbs6DiYAAAACOKOmPAANW6AdY6AdX6AcAYL5xO5vjUUADAAAAAAFZWg=="},
	{"several blocks with sizes", "/Td6WFoAAAFpIt42A8BG6AchARYAAAAATeZb+OAD5wA+XQAgmyxAbTeYmEDQ2xXZqjYgGALu6g/AVDNgs2KLUrUOXEUOa0VQY2Gwd8jBrN6GU4lFZpdhCDKC0HAz2X6xAAAAAPGGE3MDwEjoByEBFgAAAAD+1pLm4APnAEBdABAZSieBHseHi6EMJ+YteUDbz/cR6kDzCDzTNUKY2Vl+wDFSk1tcMotjyMsiQY5mL3WY+1IlH6Tl7L5b76v2OwAAA+sbWwPAR+gHIQEWAAAAAHONmRfgA+cAP10ANgsABmRfY0xu87Sby53plSR04R8/NQwJkiAN79LOSuD1JfZJNNUkxNi6Bmn/SauId3JYVuoavHYxbs6DiYAAAACOKOmPAANa6Adc6Adb6AcARcXUn5vjUUADAAAAAAFZWg=="},
	{"several streams and padding", "/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4Au3AEhdACCbLEBtN5iYQNDbFdmqNiAYAu7qD8BUM2CzYotStQ5cRQ5rRVBjYbB3yMGs3oZTiUVml2EIMoLQcDpXdByqwZqiU7ymLvtWAAAA49wkAAFguBcAAAB099gmPjANiwIAAAAAAVlaAAAAAP03elhaAAAE5ta0RgIAIQEWAAAAdC/lo+ALtwBIXQAgmyxAbTeYmEDQ2xXZqjYgGALu6g/AVDNgs2KLUrUOXEUOa0VQY2Gwd8jBrN6GU4lFZpdhCDKC0HA6V3QcqsGaolO8pi77VgAALQD3NFOY8OMAAWS4FwAAAGK1Sb2xxGf7AgAAAAAEWVoAAAAAAAAAAA=="},
	{"x86 filter", "/Td6WFoAAAFpIt42AgEEACEBFgANhjUf4AGPAF5dAABqrlwTcJX427/ShCuCg61AeglnXsiNSYUYBfqWbiR0YPFgZ4L76IlsXLsRtl1jiBD9+hSwqmdu4eIo94LIeuHnnRO8ENvFzVdMDiMrCQ0ANeRE+WH4yIzjLo2l5wAAAACx4njPAAF2kAMAAAD/sp3dPjANiwIAAAAAAVla"},
	{"delta filter", "/Td6WFoAAATm1rRGAgEDAQEhARYcR3hW4AGPAIxdAABqrlwD60TbravwFMcMID1kzWxJ4+F97x98VhjAIQIMK7fv2u78QT4qrQuWoVfWO44XvvpXZMOa9i7LfgqUY6raImY0jiQl8EvL7rPrUjnxiSUtgQx60MEqLyTRQsPeDorVaAtR+fxWriYCvwXA92Dh4MDummu3TC2hr09MWKQMZDWlJjB/mP0Sa1oAAAYtmMaLj/6SAAGoAZADAAATMXy0scRn+wIAAAAABFla"},
	{"not compressible", "/Td6WFoAAAFpIt42AgAhARYAAAB0L+WjAQA70QB95rvwC2nKcxChiXvZMKu3vnbyEWSeN/H7djJTp7hIHXrtcKcLMxYG5Ti6Is9sG53V9LPB/eLRGvONAOg3CdsAAVA8+JRStZBCmQ0BAAAAAAFZWg=="},
	{"empty", "/Td6WFoAAATm1rRGAAAAABzfRCEftvN9AQAAAAAEWVo="},
}

func xzSample(t testing.TB, i int) []byte {
	file, err := base64.StdEncoding.DecodeString(xzSamples[i].file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestXz compares with the library, which also decodes what only it can do.
func TestXz(t *testing.T) {
	for i, s := range xzSamples {
		file := xzSample(t, i)
		want, _, err := expandXzSlow(file, 1<<20, true)
		if err != nil {
			t.Errorf("%s: library: %v", s.name, err)
			continue
		}
		got, _, err := Expand([]byte{}, file, 1<<20, false)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d bytes", s.name, len(got), err, len(want))
		}
	}
}

// TestXzDamaged changes each byte of each sample: the container has sums over
// everything, so nothing may pass, except that an unknown check is passed over.
func TestXzDamaged(t *testing.T) {
	for i, s := range xzSamples {
		file := xzSample(t, i)
		want, _, _ := expandXzSlow(file, 1<<20, true)
		for at := range file {
			for _, change := range []byte{1, 0x80, 0xff} {
				file[at] ^= change
				got, _, err := Expand(nil, file, 1<<20, false)
				if err == nil && s.name != "no check" && !bytes.Equal(got, want) {
					t.Errorf("%s: byte %d changed by %#x: %d other bytes, no error", s.name, at, change, len(got))
				}
				file[at] ^= change
			}
		}
		for n := range file {
			if got, _, err := Expand(nil, file[:n], 1<<20, false); err == nil && !bytes.HasPrefix(want, got) {
				t.Errorf("%s: cut to %d bytes: no error", s.name, n)
			}
		}
	}
}

// TestXzUnknownCheck has a check of a type that is reserved: like xz, pass it
// over.
func TestXzUnknownCheck(t *testing.T) {
	file := xzSample(t, 1)
	want, _, err := expandXzSlow(file, 1<<20, true)
	if err != nil {
		t.Fatal(err)
	}
	footer := file[len(file)-12:]
	for _, flags := range [][]byte{file[6:8], footer[8:10]} {
		flags[1] = 2 // four bytes long, like CRC32
	}
	binary.LittleEndian.PutUint32(file[8:], crc32.ChecksumIEEE(file[6:8]))
	binary.LittleEndian.PutUint32(footer, crc32.ChecksumIEEE(footer[4:10]))
	got, _, err := Expand(nil, file, 1<<20, false)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d bytes", len(got), err, len(want))
	}
}

// TestXzClaim has an index that claims more than there is: no memory may be
// set aside for it.
func TestXzClaim(t *testing.T) {
	file := xzSample(t, 1)
	if n := xzClaim(file); n != 3000 {
		t.Fatalf("claim of a sound file: %d", n)
	}
	if n := backed(1<<40, len(file), 512<<20); n > 1<<20 {
		t.Errorf("%d bytes set aside for a file of %d bytes that claims 1 TiB", n, len(file))
	}
}

// smallDict returns the file with the smallest dictionary in the header of its
// first block, which is all that the samples need: the library sets aside what
// the header says, and a fuzzer should not spend its time on clearing 8 MiB.
func smallDict(file []byte) []byte {
	const start = xzHeaderSize
	size := (int(file[start]) + 1) * 4
	header := file[start : start+size]
	at := bytes.Index(header, []byte{xzLZMA2, 1, 0x16})
	if file[start] == 0 || at < 0 || !sumOK(header) {
		return file
	}
	header[at+2] = 0
	binary.LittleEndian.PutUint32(header[size-4:], crc32.ChecksumIEEE(header[:size-4]))
	return file
}

func FuzzXz(f *testing.F) {
	for i := range xzSamples {
		fuzzseed.Add(f, smallDict(xzSample(f, i)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if !bytes.HasPrefix(file, []byte(xzMagic)) {
			return
		}
		const limit = 1 << 20
		want, _, slowErr := expandXzSlow(file, limit, true)
		got, _, err := Expand(nil, file, limit, false)
		if int64(len(got)) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		switch {
		case slowErr == nil && err != nil:
			t.Errorf("library decodes %d bytes; we: %v", len(want), err)
		case slowErr == nil && !bytes.Equal(got, want):
			t.Errorf("library and we decode differently")
		case err == nil && slowErr != nil &&
			!errors.Is(slowErr, xz.ErrUnsupportedCheck) && !errors.Is(slowErr, xz.ErrMemlimit):
			t.Errorf("we decode %d bytes; library: %v", len(got), slowErr)
		}
	})
}

// FuzzLZMA2 is FuzzXz without the container, whose sums stop nearly every
// mutation: it puts a sound one around the data.
func FuzzLZMA2(f *testing.F) {
	for i := range xzSamples {
		file := xzSample(f, i)
		if len(file) > 60 && file[13] == 0 {
			fuzzseed.Add(f, file[24:len(file)-12])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 18
		var d lzma
		out, n, err := d.lzma2(nil, data, 1<<16, limit)
		if err != nil && err != errCorrupt && err != io.ErrUnexpectedEOF && err != ErrTooLarge {
			t.Fatalf("unexpected error %v", err)
		}
		if err == nil {
			data = data[:n]
		}
		// Without an index the library must get as far as we do.
		file := append([]byte(xzMagic), 0, 0, 0xff, 0x12, 0xd9, 0x41)
		block := []byte{2, 0, xzLZMA2, 1, 8, 0, 0, 0}
		block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(block))
		file = append(append(file, block...), data...)
		for range -n & 3 {
			file = append(file, 0)
		}
		file = appendIndex(file, uint64(len(block)+n), uint64(len(out)))
		want, _, slowErr := expandXzSlow(file, limit, true)
		switch {
		case err == nil && slowErr != nil:
			t.Errorf("we decode %d bytes; library: %v", len(out), slowErr)
		case err == nil && !bytes.Equal(out, want):
			t.Errorf("library and we decode differently")
		case err != nil && slowErr == nil && len(want) > 0:
			t.Errorf("library decodes %d bytes; we: %v", len(want), err)
		}
	})
}

// appendIndex appends the index of one block, and the footer.
func appendIndex(file []byte, stored, size uint64) []byte {
	start := len(file)
	file = append(file, 0, 1)
	for _, v := range []uint64{stored, size} {
		for ; v >= 0x80; v >>= 7 {
			file = append(file, byte(v)|0x80)
		}
		file = append(file, byte(v))
	}
	for (len(file)-start)%4 != 0 {
		file = append(file, 0)
	}
	file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(file[start:]))
	footer := binary.LittleEndian.AppendUint32(nil, uint32((len(file)-start)/4-1))
	footer = append(footer, 0, 0)
	file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(footer))
	return append(append(file, footer...), "YZ"...)
}
