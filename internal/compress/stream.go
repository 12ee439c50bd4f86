package compress

import "errors"

// First expands the first stream that src begins with and ignores what follows it: boot images carry compressed kernels
// with other data behind. hint is how much that may give, 0 if nobody knows; more than limit bytes are an error. Errors
// are of type *[Error]. work is how many bytes were read and made, with an error as well: who tries many places has to stop some time.
func First(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	err = errors.New("not compressed in a known format")
	f := Detect(src)
	hint = int(min(int64(hint), limit))
	switch f {
	case Gzip:
		out, work, err = firstGzip(src, hint, limit)
	case Xz:
		out, work, err = firstXz(src, hint, limit)
	case Zstd:
		out, work, err = firstZstd(src, hint, limit)
	}
	if err != nil {
		return nil, work, &Error{f, 0, err}
	}
	return out, work, nil
}
