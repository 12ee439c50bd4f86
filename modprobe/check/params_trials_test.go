//go:build linux

package check_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// numbers are values around the limits of all kinds of numbers, and what is none.
var numbers = []string{
	"0", "1", "-1", "+1", "-0", "+-1", "-+1", "--1", "", "-", "+", "0x10", "0X10", "-0x10", "0x", "0xg", "x10", "10h", "ff", "010", "08", "0b11",
	"0o7", "1_000", `" 1"`, `"1 "`, "\"1\n\"", "1.5", "1e3", "127", "128", "255", "256", "-128", "32767", "32768", "-32768", "-32769", "65535",
	"65536", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807",
	"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
	"99999999999999999999x", "0xffffffff", "0xffffffffffffffff", "0x10000000000000000", "1,2", "1,",
}

// truths are words that may mean yes or no.
var truths = []string{
	"0", "1", "y", "Y", "yes", "n", "N", "no", "on", "ON", "On", "off", "OFF", "of", "o", "ox", "2", "10", "01", "-1", "t", "T", "true", "f", "F", "false",
	"e", "E", "enable", "enabled", "d", "D", "disable", "disabled", "x", "", `" y"`, "y,n", "ja",
}

// subjects are parameters that a load may be given any value for, by their kinds.
var subjects = map[string][]string{
	"param_ops_byte":    {"zd1301_demod.gain"},
	"param_ops_ushort":  {"f71882fg.force_id", "smsc47m1.force_id"},
	"param_ops_int":     {"dvb_pll.debug", "tea5761.debug"},
	"param_ops_uint":    {"battery.cache_time", "efi_pstore.record_size"},
	"param_ops_long":    {"ecryptfs.ecryptfs_message_wait_timeout"},
	"param_ops_ulong":   {"button.lid_report_interval", "ipmi_msghandler.default_retry_ms"},
	"param_ops_bool":    {"cdrom.check_media_type", "cdrom.debug"},
	"param_ops_bint":    {"emc2103.apd"},
	"param_ops_invbool": {"aty128fb.nomtrr"},
	"param_ops_charp":   {"ptp_clockmatrix.firmware", "cpcihp_generic.bridge", "asus_ec_sensors.mutex_path"},
	"param_ops_string":  {"xc4000.firmware_name", "xc2028.audio_std", "kempld_core.force_device_id"},

	"param_array_ops param_ops_short":  {"w83792d.force_subclients"},
	"param_array_ops param_ops_ushort": {"thmc50.adm1022_temp3"},
	"param_array_ops param_ops_int":    {"dvb_pll.id"},
	"param_array_ops param_ops_uint":   {"s2io.rts_frm_len"},
	"param_array_ops param_ops_byte":   {"mlx4_core.probe_vf"},
	"param_array_ops param_ops_charp":  {"dl2k.media"},
}

// values are what parameters of a kind are tried with.
func values(kind string, most int) (list []string) {
	text := func(n int) string { return strings.Repeat("a", n) }
	commas := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	switch {
	case strings.HasPrefix(kind, elf.ArrayOps):
		for _, s := range []string{"1", "0x1", "-1", "", "a", "65536"} {
			list = append(list, s, "1,"+s, s+",1", "1,"+s+",1", s+",", ","+s)
		}
		for n := most - 1; n <= most+2; n++ {
			list = append(list, commas(n, "1"), commas(n, ""), commas(n, "1")+",x")
		}
	case kind == elf.StringOps:
		list = []string{"", "a", "a,b", text(most - 2), text(most - 1), text(most), text(most + 1), `"a b"`, "=", "a=b"}
	case kind == "param_ops_charp":
		list = []string{"", "a", "a,b", text(1023), text(1024), text(1025), text(3000), `"a b"`, "a=b", `a"b c"d`}
	case slices.Contains([]string{"param_ops_bool", "param_ops_bint", "param_ops_invbool"}, kind):
		list = truths
	default:
		list = numbers
	}
	return list
}

// TestParameterTrials gives modules parameters of all kinds, and lets real kernels judge what is said of them. The
// default is one kernel; with GOMODPROBE_LONG=1 all, and those that are locked down.
func TestParameterTrials(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	keys := []string{"6.12"}
	if only := os.Getenv("GOMODPROBE_TRIALS"); only != "" {
		keys = strings.Fields(only)
	} else if os.Getenv("GOMODPROBE_LONG") != "" {
		keys = []string{"5.10", "6.1", "6.12", "7.2"}
	}
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			c := newCourse(t, key, kernelOf(t, key))
			kinds := 0
			for kind, candidates := range subjects {
				for _, subject := range candidates {
					name, param, _ := strings.Cut(subject, ".")
					if c.tryParam(t, key, kind, name, param) {
						kinds++
						break
					}
				}
			}
			if kinds < 14 {
				t.Errorf("only %d kinds of parameters", kinds)
			}
			unsure := 0
			for what, n := range c.counts {
				if strings.HasSuffix(what, string(check.Unknown)) {
					unsure += n
				}
			}
			if 50*unsure > c.trials {
				t.Errorf("%d of %d are UNKNOWN", unsure, c.trials)
			}
			c.run(t, key)
		})
	}
}

// tryParam offers a module with all values for one of its parameters, if the kernel has the module and that has the
// parameter.
func (c *course) tryParam(t *testing.T, key, kind, name, param string) bool {
	var found []string
	dir, release := kmodtest.Corpus(t, key)
	filepath.WalkDir(filepath.Join(dir, "lib/modules", release), func(path string, d os.DirEntry, err error) error {
		base, _, isModule := strings.Cut(filepath.Base(path), ".ko")
		if err == nil && isModule && strings.ReplaceAll(base, "-", "_") == name {
			found = append(found, path)
		}
		return err
	})
	if len(found) == 0 {
		return false
	}
	image := readModule(t, found[0])
	m := kernel.ReadModule(found[0], image)
	if needs, _ := m.Field("depends"); needs != "" {
		return false
	}
	f, err := elf.Parse(m.Image)
	if err != nil {
		t.Fatal(err)
	}
	table, err := f.Params()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table {
		if p.Name != param || strings.TrimSpace(p.Ops+" "+p.Elem) != kind {
			continue
		}
		for i, value := range values(p.Ops, int(p.Max)) {
			if os.Getenv("GOMODPROBE_LONG") == "" && i%5 != 0 && p.Ops != "param_ops_bool" {
				continue
			}
			c.offer(kind, name+" "+shortened(param+"="+value), image, 0, param+"="+value, false)
		}
		for _, text := range []string{
			param, `"` + param + `"`, param + "=x " + param + "=y", param + "=1 nosuch=2 nosuch", "nosuch=1 " + param + "=$", param + "=99999999999999999999 " + param + "=",
			"no-such=2 -- " + param + "=$", "async_probe", "async_probe=x", "dyndbg=+p", name + ".dyndbg=+p", name + "." + param + "=1", strings.ToUpper(param) + "=1",
			strings.ReplaceAll(param, "_", "-") + "=$", "=1", "=", `""`,
		} {
			c.offer(kind, name+" "+text, image, 0, text, false)
		}
		return true
	}
	return false
}

func shortened(s string) string { return s[:min(len(s), 80)] }
