package near_test

import (
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/near"
)

func TestWords(t *testing.T) {
	words := []string{"wireguard", "loop", "snd_hda_intel", "snd-hda-codec", "brd", "nbd", "ext4", "ext2"}
	for _, tt := range []struct {
		typed string
		want  []string
	}{
		{"wiregaurd", []string{"wireguard"}},
		{"wiregard", []string{"wireguard"}},
		{"Loop", []string{"loop"}},
		{"lop", []string{"loop"}},
		{"snd-hda-intle", []string{"snd_hda_intel"}},
		{"snd_hda_codec", []string{"snd-hda-codec"}},
		{"bbd", []string{"brd", "nbd"}},
		{"ext3", []string{"ext4", "ext2"}},
		{"xfs", nil},
		{"", nil},
		{"wgregaurd", []string{"wireguard"}},
		{"wgrgaurd", nil},
	} {
		if got := near.Words(tt.typed, slices.Values(words)); !slices.Equal(got, tt.want) {
			t.Errorf("Words(%q) = %q; want %q", tt.typed, got, tt.want)
		}
	}
}
