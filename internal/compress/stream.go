package compress

import "errors"

// First expands the first stream that src begins with and ignores what follows it: boot images carry compressed kernels
// with other data behind. hint is how much that may give, 0 if nobody knows; more than limit bytes are an error. Errors
// are of type *[Error].
func First(src []byte, hint int, limit int64) ([]byte, error) {
	var out []byte
	err := errors.New("not compressed in a known format")
	f := Detect(src)
	hint = int(min(int64(hint), limit))
	switch f {
	case Gzip:
		out, err = firstGzip(src, hint, limit)
	case Xz:
		out, err = firstXz(src, hint, limit)
	case Zstd:
		out, err = firstZstd(src, hint, limit)
	}
	if err != nil {
		return nil, &Error{f, 0, err}
	}
	return out, nil
}
