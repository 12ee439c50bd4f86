//go:build !kmod_boot

package initramfs

import (
	"slices"
	"testing"
)

// TestMicrocode: files of firmware by /proc/cpuinfo.
func TestMicrocode(t *testing.T) {
	cpu := func(vendor, family, model, stepping string) string {
		return "processor\t: 0\nvendor_id\t: " + vendor + "\ncpu family\t: " + family + "\nmodel\t\t: " + model + "\nstepping\t: " + stepping + "\n\n"
	}
	for _, tt := range []struct {
		info, vendor string
		files        []string
	}{
		{cpu("GenuineIntel", "6", "85", "4") + cpu("GenuineIntel", "6", "85", "4"), "GenuineIntel", []string{"intel-ucode/06-55-04"}},
		{cpu("GenuineIntel", "6", "151", "2") + cpu("GenuineIntel", "6", "151", "5"), "GenuineIntel", []string{"intel-ucode/06-97-02", "intel-ucode/06-97-05"}},
		{cpu("AuthenticAMD", "25", "33", "2"), "AuthenticAMD", []string{"amd-ucode/microcode_amd_fam19h.bin"}},
		{cpu("AuthenticAMD", "16", "4", "3"), "AuthenticAMD", []string{"amd-ucode/microcode_amd.bin"}},
		{cpu("CentaurHauls", "6", "4", "3"), "", nil},
		{cpu("GenuineIntel", "6", "85", "unknown"), "", nil},
		{"processor : 0\nBogoMIPS : 100\n", "", nil},
	} {
		if vendor, files := microcode(tt.info); vendor != tt.vendor || !slices.Equal(files, tt.files) {
			t.Errorf("%q: %s, %q; want %s, %q", tt.info, vendor, files, tt.vendor, tt.files)
		}
	}
}
