package initramfs_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// selectIn selects from the tree below root.
func selectIn(t testing.TB, root, release string, o *initramfs.Options) *initramfs.Selection {
	t.Helper()
	return selectFrom(t, os.DirFS(root), release, o)
}

// selectFrom selects from the tree in fsys.
func selectFrom(t testing.TB, fsys fs.FS, release string, o *initramfs.Options) *initramfs.Selection {
	t.Helper()
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: release})
	if err != nil {
		t.Fatal(err)
	}
	s, err := initramfs.Select(context.Background(), p, fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(s *initramfs.Selection) (list []string) {
	for _, m := range s.Modules {
		list = append(list, m.Name)
	}
	slices.Sort(list)
	return list
}

// sampleTree is a small tree with every kind of need.
func sampleTree(t testing.TB) (root string) {
	t.Helper()
	return tree(t, "6.1.0",
		kmodtest.Module{Name: "base", Path: "kernel/lib/base.ko", Exports: []kmodtest.Export{{Name: "base_do"}}},
		kmodtest.Module{Name: "mid-dle", Path: "kernel/lib/mid-dle.ko", Exports: []kmodtest.Export{{Name: "mid_do"}},
			Imports: []kmodtest.Import{{Name: "base_do"}}},
		kmodtest.Module{Name: "top", Path: "kernel/drivers/net/top.ko", Imports: []kmodtest.Import{{Name: "mid_do"}},
			Aliases: []string{"pci:v00008086d*"}, Softdeps: []string{"pre: crypto-hash nothere post: after"},
			Weakdeps: []string{"phy"}, Firmware: []string{"top/fw.bin", "top/none.bin", "top/rev-*.bin"}},
		kmodtest.Module{Name: "hash_generic", Path: "kernel/crypto/hash_generic.ko", Aliases: []string{"crypto-hash"},
			Imports: []kmodtest.Import{{Name: "base_do"}}},
		kmodtest.Module{Name: "after", Path: "kernel/drivers/net/after.ko"},
		kmodtest.Module{Name: "phy", Path: "kernel/drivers/net/phy/phy.ko"},
		kmodtest.Module{Name: "xhci-pci", Path: "kernel/drivers/usb/host/xhci-pci.ko"},
		kmodtest.Module{Name: "xhci-pci-renesas", Path: "kernel/drivers/usb/host/xhci-pci-renesas.ko"},
	)
}

func tree(t testing.TB, release string, mods ...kmodtest.Module) string {
	t.Helper()
	oracle := kmodtest.Oracle(t)
	root := kmodtest.Tree(t, release, mods...)
	for name, text := range map[string]string{
		"modules.order": "", "modules.builtin": "kernel/fs/inside.ko\n", "modules.builtin.modinfo": "inside.firmware=inside.bin\x00",
	} {
		put(t, root, "lib/modules/"+release+"/"+name, text)
	}
	oracle.Depmod(t, root, release)
	return root
}

func put(t testing.TB, root, name, text string) {
	t.Helper()
	name = root + "/" + name
	if err := os.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSelect(t *testing.T) {
	root := sampleTree(t)
	all := []string{"after", "base", "hash_generic", "mid_dle", "phy", "top"}
	tests := []struct {
		name    string
		o       initramfs.Options
		want    []string
		missing []string
	}{
		{"nothing", initramfs.Options{}, nil, nil},
		{"name", initramfs.Options{Add: []string{"top"}}, all, nil},
		{"no weak dependencies", initramfs.Options{Add: []string{"top"}, NoWeak: true},
			[]string{"after", "base", "hash_generic", "mid_dle", "top"}, nil},
		{"other spelling", initramfs.Options{Add: []string{"mid_dle"}}, []string{"base", "mid_dle"}, nil},
		{"alias", initramfs.Options{Add: []string{"pci:v00008086d1"}}, all, nil},
		{"device", initramfs.Options{Aliases: []string{"pci:v00008086d1", "pci:v00001234d1"}}, all, nil},
		{"pattern for names", initramfs.Options{Add: []string{"*a?e*"}}, []string{"base"}, nil},
		{"pattern for paths", initramfs.Options{Add: []string{"drivers/net/*"}}, all, nil},
		{"pattern with kernel", initramfs.Options{Add: []string{"kernel/drivers/net/p*"}}, []string{"phy"}, nil},
		{"folder", initramfs.Options{Add: []string{"=drivers/net/phy"}}, []string{"phy"}, nil},
		{"folder with slash", initramfs.Options{Add: []string{"=/kernel/drivers/net/phy/"}}, []string{"phy"}, nil},
		{"path", initramfs.Options{Add: []string{"/lib/modules/6.1.0/kernel/lib/mid-dle.ko"}}, []string{"base", "mid_dle"}, nil},
		{"builtin", initramfs.Options{Add: []string{"inside"}}, []string{"inside"}, nil},
		{"hidden need", initramfs.Options{Add: []string{"xhci_pci"}}, []string{"xhci_pci", "xhci_pci_renesas"}, nil},
		{"no hidden needs", initramfs.Options{Add: []string{"xhci_pci"}, NoHidden: true}, []string{"xhci_pci"}, nil},
		{"omit", initramfs.Options{Add: []string{"top"}, Omit: []string{"p*", "hash_generic"}},
			[]string{"after", "base", "mid_dle", "top"}, []string{"hash_generic", "phy"}},
		{"typo", initramfs.Options{Add: []string{"tpo", "phy"}}, []string{"phy"}, []string{"tpo"}},
		{"folder without modules", initramfs.Options{Add: []string{"=drivers/nothing"}}, nil, []string{"=drivers/nothing"}},
		{"odd bytes", initramfs.Options{Add: []string{"\xff\x00[", "a b", "../x.ko"}}, nil, []string{"../x.ko", "a b", "\xff\x00["}},
	}
	for _, tt := range tests {
		s := selectIn(t, root, "6.1.0", &tt.o)
		if d := cmp.Diff(tt.want, names(s)); d != "" {
			t.Errorf("%s: modules: %s", tt.name, d)
		}
		var missing []string
		for _, m := range s.Missing {
			missing = append(missing, m.Name)
		}
		if d := cmp.Diff(tt.missing, missing); d != "" {
			t.Errorf("%s: missing: %s", tt.name, d)
		}
	}
}

func TestWhy(t *testing.T) {
	s := selectIn(t, sampleTree(t), "6.1.0", &initramfs.Options{Add: []string{"top"}})
	text := func(chain []initramfs.ChainLink) string {
		var words []string
		for _, l := range chain {
			words = append(words, l.Module+": "+l.Reason.String())
		}
		return strings.Join(words, "; ")
	}
	tests := []struct{ module, want string }{
		{"top", "top: added as top"},
		{"mid-dle", "top: added as top; mid_dle: dependency of top"},
		{"hash_generic", "top: added as top; hash_generic: softdep of top, as crypto-hash"},
		{"phy", "top: added as top; phy: weakdep of top, as phy"},
		{"none", ""},
	}
	var image bytes.Buffer
	if _, err := s.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	reasons, err := initramfs.ImageReasons(&image)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if got := text(s.Why(tt.module)); got != tt.want {
			t.Errorf("Why(%s) = %q, want %q", tt.module, got, tt.want)
		}
		if got := text(initramfs.WhyImage(reasons, tt.module)); got != tt.want {
			t.Errorf("WhyImage(%s) = %q, want %q", tt.module, got, tt.want)
		}
	}
}

func TestFirmware(t *testing.T) {
	root := sampleTree(t)
	for name, text := range map[string]string{
		"lib/firmware/top/fw.bin":               "plain, hidden by the one in updates",
		"lib/firmware/updates/6.1.0/top/fw.bin": "taken",
		"lib/firmware/top/rev-1.bin.xz":         "compressed",
		"lib/firmware/top/store/rev-2":          "behind links",
		"lib/firmware/top/rev-3.bin.zst":        "not for a kernel without zstd",
		"lib/firmware/inside.bin":               "of a builtin",
	} {
		put(t, root, name, text)
	}
	for from, to := range map[string]string{"top/rev-2.bin": "../alias/store/rev-2", "alias": "top"} {
		if err := os.Symlink(to, root+"/lib/firmware/"+from); err != nil {
			t.Fatal(err)
		}
	}
	s := selectIn(t, root, "6.1.0", &initramfs.Options{
		Add: []string{"top", "inside"}, Firmware: true, FirmwareSuffixes: []string{".xz"}, Tables: initramfs.NoTables,
	})
	want := []initramfs.Firmware{
		{Name: "inside.bin", Modules: []string{"inside"}, Files: []string{"lib/firmware/inside.bin"}},
		{Name: "top/fw.bin", Modules: []string{"top"}, Files: []string{"lib/firmware/updates/6.1.0/top/fw.bin"}},
		{Name: "top/none.bin", Modules: []string{"top"}},
		{Name: "top/rev-*.bin", Modules: []string{"top"},
			Files: []string{"lib/firmware/top/rev-1.bin.xz", "lib/firmware/top/rev-2.bin"}},
	}
	if d := cmp.Diff(want, s.Firmware); d != "" {
		t.Error(d)
	}
	var image bytes.Buffer
	if _, err := s.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range list(t, image.Bytes()) {
		if strings.HasPrefix(n, "lib/firmware/") && !strings.HasSuffix(n, "/") {
			got = append(got, strings.TrimPrefix(n, "lib/firmware/"))
		}
	}
	files := []string{"alias -> top", "inside.bin", "top/rev-1.bin.xz", "top/rev-2.bin -> ../alias/store/rev-2",
		"top/store/rev-2", "updates/6.1.0/top/fw.bin"}
	if d := cmp.Diff(files, got); d != "" {
		t.Error(d)
	}
}

// TestFirmwareOutside: names and links that lead out of the root do not.
func TestFirmwareOutside(t *testing.T) {
	root := tree(t, "6.1.0", kmodtest.Module{Name: "bad", Firmware: []string{"../../etc/secret", "/etc/secret", "..", "link", "loop", "*/../secret", "dir"}})
	put(t, root, "etc/secret", "x")
	put(t, root, "lib/firmware/dir/file", "x")
	for from, to := range map[string]string{"link": "../../../../../etc/secret", "loop": "loop"} {
		if err := os.Symlink(to, root+"/lib/firmware/"+from); err != nil {
			t.Fatal(err)
		}
	}
	s := selectIn(t, root, "6.1.0", &initramfs.Options{Add: []string{"bad"}, Firmware: true})
	for _, f := range s.Firmware {
		if len(f.Files) > 0 && f.Name != "link" {
			t.Errorf("%s: found %q", f.Name, f.Files)
		}
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Path, "etc/") && e.Mode.IsRegular() {
			data, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			data.Close()
		}
	}
}

func TestConfigEntries(t *testing.T) {
	root := sampleTree(t)
	put(t, root, "etc/modprobe.d/a.conf", "options top a=1\n")
	put(t, root, "usr/lib/modprobe.d/a.conf", "options top a=2\n")
	put(t, root, "usr/lib/modprobe.d/b.conf", "blacklist phy\nsoftdep phy pre: after\n")
	put(t, root, "usr/lib/modprobe.d/readme", "no\n")
	s := selectIn(t, root, "6.1.0", &initramfs.Options{Add: []string{"phy"}, Config: true})
	if got, want := names(s), []string{"after", "phy"}; !cmp.Equal(got, want) {
		t.Errorf("modules %q, want %q", got, want)
	}
	var image bytes.Buffer
	if _, err := s.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range list(t, image.Bytes()) {
		if strings.Contains(n, "modprobe.d/") && !strings.HasSuffix(n, "/") {
			got = append(got, n)
		}
	}
	if want := []string{"etc/modprobe.d/a.conf", "usr/lib/modprobe.d/b.conf"}; !cmp.Equal(got, want) {
		t.Errorf("configuration %q, want %q", got, want)
	}
}

func TestSelectWithoutTree(t *testing.T) {
	fsys := os.DirFS(t.TempDir())
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: "6.1.0"})
	if err != nil {
		t.Skip(err)
	}
	if _, err := initramfs.Select(context.Background(), p, fsys, &initramfs.Options{Add: []string{"ext4"}}); !errors.Is(err, modprobe.ErrNoTables) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no module tree: %v", err)
	}
}
