package alias_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

func TestNormalize(t *testing.T) {
	long := strings.Repeat("x", alias.MaxLen-1)
	for _, tt := range []struct {
		in, want string
		off      int // of the error, -1 for none
	}{
		{"", "", -1},
		{"ext4", "ext4", -1},
		{"snd-hda-intel", "snd_hda_intel", -1},
		{"Foo.ko", "Foo.ko", -1},
		{"foo-bar[a-c]-x", "foo_bar[a-c]_x", -1},
		{"[[-]-", "[[-]_", -1},
		{"a[!-]-[-]", "a[!-]_[-]", -1},
		{"a-[", "", 2},
		{"a-]", "", 2},
		{"[a]]", "", 3},
		{long, long, -1},
		{long + "x", "", alias.MaxLen},
	} {
		got, err := alias.Normalize(tt.in)
		var e *alias.NameError
		if tt.off < 0 && (err != nil || got != tt.want) {
			t.Errorf("Normalize(%.20q) = %.20q, %v; want %.20q", tt.in, got, err, tt.want)
		}
		if tt.off >= 0 && (!errors.As(err, &e) || e.Off != tt.off) {
			t.Errorf("Normalize(%.20q) error = %v; want one at offset %d", tt.in, err, tt.off)
		}
	}
}

func TestFromPath(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"/", ""},
		{"ext4.ko", "ext4"},
		{"/lib/modules/6.1.0/kernel/sound/snd-hda.intel.ko.xz", "snd_hda"},
		{"./twofish-x86_64-3way.ko", "twofish_x86_64_3way"},
		{"a.b/c", "c"},
	} {
		if got := alias.FromPath(tt.in); got != tt.want {
			t.Errorf("FromPath(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	fuzzseed.Add(f, "snd-hda-intel")
	fuzzseed.Add(f, "foo-bar[a-c]-x")
	fuzzseed.Add(f, "]")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := alias.Normalize(s)
		if err != nil {
			if n != "" {
				t.Errorf("Normalize(%q) = %q with an error", s, n)
			}
			return
		}
		if len(n) != len(s) {
			t.Errorf("Normalize(%q) = %q changes the length", s, n)
		}
		if again, err := alias.Normalize(n); err != nil || again != n {
			t.Errorf("Normalize(%q) = %q, %v; want it unchanged", n, again, err)
		}
		if !strings.ContainsAny(s, "[]") && n != strings.ReplaceAll(s, "-", "_") {
			t.Errorf("Normalize(%q) = %q", s, n)
		}
	})
}

func ExampleNormalize() {
	name, _ := alias.Normalize("snd-hda-intel")
	pattern, _ := alias.Normalize("acpi*:LNXSYBU[0-9]:x-y")
	fmt.Println(name, pattern)
	// Output: snd_hda_intel acpi*:LNXSYBU[0-9]:x_y
}

func ExampleFromPath() {
	fmt.Println(alias.FromPath("/lib/modules/6.1.0/kernel/sound/pci/hda/snd-hda-intel.ko.xz"))
	// Output: snd_hda_intel
}

func ExampleMatch() {
	fmt.Println(alias.Match("dmi*:pn*3850M2/x3950M2-*", "dmi:bvnIBM:pn3850M2/x3950M2-[7141]:"))
	// Output: true
}
