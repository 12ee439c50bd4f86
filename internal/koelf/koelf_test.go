package koelf_test

import (
	"errors"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/koelf"
)

func TestParseNotELF(t *testing.T) {
	for _, image := range []string{"#!/bin", "#!/bin/sh\nexit 0\n", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if f, err := koelf.Parse([]byte(image)); f != nil || !errors.Is(err, koelf.ErrNotELF) {
			t.Errorf("Parse(%q) = %v, %v; want %v", image, f, err, koelf.ErrNotELF)
		}
	}
}
