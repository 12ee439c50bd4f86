package alias_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

const aliasFile = `# Aliases extracted from modules themselves.
alias pci:v00008086d00001533sv*sd*bc*sc*i* igb
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias usb:v13FDp3940d*dc*dsc*dp*ic08isc06ip50in* uas
alias usb:v13FDp3940d*dc*dsc*dp*ic08isc06ip62in* uas
alias usb:v13FDp3940d*ic08* usb_storage
alias dmi:*:pn3850M2/x3950M2-* ibm
alias char-major-10-200 tun
alias a b c d
alias bad]bracket none
`

func entries(t testing.TB, text string) (all []alias.Entry) {
	t.Helper()
	for e, err := range alias.Parse(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestTable(t *testing.T) {
	table := alias.NewTable(entries(t, aliasFile)...)
	for _, tt := range []struct{ in, want string }{
		{"pci:v00008086d00001533sv0sd0bc01sc06i01", "igb ahci"},
		{"usb:v13FDp3940d0101dc00dsc00dp00ic08isc06ip50in00", "uas usb_storage"},
		{"dmi:bvnIBM:x:pn3850M2/x3950M2-[7141]:", "ibm"},
		{"dmi:bvnIBM:x:pn3850M2/x3950M2-7141:", "ibm"},
		{"char-major-10-200", "tun"},
		{"char_major_10_200", "tun"},
		{"b c", ""},
		{"a", ""},
		{"bad]bracket", ""},
		{"", ""},
	} {
		if got := strings.Join(table.Lookup(tt.in), " "); got != tt.want {
			t.Errorf("Lookup(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	var got []string
	for e, err := range alias.Parse(strings.NewReader("alias a b\nalias c\nalias \n\nx y z\n#\nalias last one")) {
		var bad *alias.LineError
		if errors.As(err, &bad) {
			got = append(got, fmt.Sprint(bad.Line))
		} else {
			got = append(got, e.Pattern+"="+e.Module)
		}
	}
	if want := []string{"a=b", "2", "3", "5", "last=one"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	failed := errors.New("no more")
	var last error
	for _, err := range alias.Parse(iotest.ErrReader(failed)) {
		last = err
	}
	if last != failed {
		t.Errorf("error %v; want that of the reader", last)
	}
}

func FuzzParse(f *testing.F) {
	fuzzseed.Add(f, aliasFile, "usb:v13FDp3940d0101dc00dsc00dp00ic08isc06ip50in00")
	f.Fuzz(func(t *testing.T, text, query string) {
		var all []alias.Entry
		for e, err := range alias.Parse(strings.NewReader(text)) {
			if err == nil {
				all = append(all, e)
			}
		}
		if len(all) > 100 || len(query) > 100 || len(text) > 2000 {
			return
		}
		// The table says the same as comparing with every pattern.
		var want []string
		q, queryErr := alias.Normalize(query)
		for _, e := range all {
			if p, err := alias.Normalize(e.Pattern); err == nil && queryErr == nil && alias.Match(p, q) {
				want = append(want, e.Module)
			}
		}
		if got := alias.NewTable(all...).Lookup(query); !slices.Equal(got, want) {
			t.Errorf("Lookup(%q) = %q; want %q", query, got, want)
		}
	})
}

// machine is a machine with three devices, one of which does not tell.
var machine = fstest.MapFS{
	"sys/devices/pci0000:00/0000:00:03.0/modalias": {Data: []byte("pci:v00008086d00001533sv0sd0bc02sc00i00\n")},
	"sys/devices/pci0000:00/0000:00:03.0/vendor":   {Data: []byte("0x8086\n")},
	"sys/devices/platform/x/modalias":              {Data: []byte("\n")},
	"sys/devices/virtual/dmi/id/modalias":          {Data: []byte("dmi:bvnIBM:x:pn3850M2/x3950M2-[7141]:\n")},
}

// uevents is a machine whose buses have no file modalias, but for one device.
var uevents = fstest.MapFS{
	"sys/devices/platform/emmc/mmc0/mmc0:0001/uevent": {Data: []byte("MMC_TYPE=SD\nMODALIAS=mmc:block\n")},
	"sys/devices/platform/mdio/00:01/uevent":          {Data: []byte("DEVTYPE=mdio\n")},
	"sys/devices/platform/x/modalias":                 {Data: []byte("platform:x\n")},
	"sys/devices/platform/x/uevent":                   {Data: []byte("DRIVER=x\nMODALIAS=platform:other\n")},
}

// TestUevent: where there is no file modalias the line of uevent counts.
func TestUevent(t *testing.T) {
	got := make(map[string]string)
	for d, err := range alias.Devices(uevents) {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Path] = d.Alias
	}
	want := map[string]string{"sys/devices/platform/emmc/mmc0/mmc0:0001": "mmc:block", "sys/devices/platform/x": "platform:x"}
	if !maps.Equal(got, want) {
		t.Errorf("Devices = %q; want %q", got, want)
	}
	for path, text := range map[string]string{"platform/emmc/mmc0/mmc0:0001": "mmc:block", "platform/mdio/00:01": "", "platform/x": "platform:x", "no": ""} {
		if got, err := alias.DeviceAlias(uevents, "sys/devices/"+path); got != text || err != nil {
			t.Errorf("DeviceAlias(%s) = %q, %v; want %q", path, got, err, text)
		}
	}
}

func TestDevices(t *testing.T) {
	var got []string
	for d, err := range alias.Devices(machine) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Path)
	}
	if want := []string{"sys/devices/pci0000:00/0000:00:03.0", "sys/devices/virtual/dmi/id"}; !slices.Equal(got, want) {
		t.Errorf("Devices = %q; want %q", got, want)
	}
	for _, err := range alias.Devices(fstest.MapFS{}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without /sys: %v", err)
		}
	}
	for range alias.Devices(machine) {
		break
	}
	for _, err := range alias.Devices(os.DirFS("/")) {
		_ = err // the machine the test runs on: whatever it has must be gone through to the end
	}
}

func ExampleTable() {
	var entries []alias.Entry
	for entry, err := range alias.Parse(strings.NewReader(aliasFile)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		entries = append(entries, entry)
	}
	table := alias.NewTable(entries...)
	fmt.Println(table.Lookup("usb:v13FDp3940d0101dc00dsc00dp00ic08isc06ip50in00"))
	// Output: [uas usb_storage]
}

func ExampleDevices() {
	table := alias.NewTable(alias.Entry{Pattern: "pci:v00008086d00001533sv*", Module: "igb"})
	for device, err := range alias.Devices(machine) { // os.DirFS("/") for this one
		if err != nil {
			fmt.Println(err)
			continue
		}
		if modules := table.Lookup(device.Alias); modules != nil {
			fmt.Println(device.Path, modules)
		}
	}
	// Output: sys/devices/pci0000:00/0000:00:03.0 [igb]
}

func BenchmarkLookup(b *testing.B) {
	var list []alias.Entry
	for i := range 20000 {
		list = append(list, alias.Entry{Pattern: fmt.Sprintf("pci:v%08Xd*sv*sd*bc*sc*i*", i), Module: "m"})
	}
	table := alias.NewTable(list...)
	b.ReportAllocs()
	for b.Loop() {
		if table.Lookup("pci:v00001000d00001533sv0sd0bc02sc00i00") == nil {
			b.Fatal("not found")
		}
	}
}
