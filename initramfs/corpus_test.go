//go:build linux

package initramfs_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// bootNames are modules of many kinds: with softdeps that are aliases, of several folders, with dashes.
var bootNames = []string{
	"ext4", "btrfs", "xfs", "squashfs", "overlay", "vfat", "isofs", "virtio_blk", "virtio_pci", "virtio_scsi", "virtio_net",
	"nvme", "ahci", "sd_mod", "sr_mod", "usb_storage", "uas", "xhci_pci", "ehci_pci", "usbhid", "hid_generic", "dm_mod", "dm_crypt",
	"dm_mirror", "raid1", "raid456", "mmc_block", "sdhci_pci", "e1000e", "r8169", "igb", "ixgbe", "mpt3sas", "megaraid_sas", "loop",
	"aesni_intel", "nls_utf8", "nls_cp437", "lan78xx", "twofish-x86_64-3way",
}

// TestAnswersInside: kmod's modprobe and ours say the same of every packed module inside the image as outside.
func TestAnswersInside(t *testing.T) {
	t.Run("6.1", func(t *testing.T) {
		testAnswersInside(t, "6.1", bootNames, "pci:v00008086d00001533sv1sd1bc02sc00i00", "usb:v0424p7800d0100dcFFdsc00dpFFicFFisc00ip00in00", "fs-ext4", "crypto-crc32c")
	})
	if os.Getenv("GOMODPROBE_LONG") == "" {
		return
	}
	for _, key := range []string{"6.1", "6.12", "7.2"} {
		root, release := kmodtest.Corpus(t, key)
		every := selectIn(t, root, release, &initramfs.Options{Add: []string{"=kernel"}})
		t.Run(key+" whole", func(t *testing.T) { testAnswersInside(t, key, names(every)) })
		for i := range uint64(5) {
			r := rand.New(rand.NewPCG(i, 3))
			var some []string
			for _, m := range every.Modules {
				if r.IntN(50) == 0 {
					some = append(some, m.Name)
				}
			}
			t.Run(key, func(t *testing.T) { testAnswersInside(t, key, some) })
		}
	}
}

// testAnswersInside asks for all modules that are needed for those wanted, and for the words in ask.
func testAnswersInside(t *testing.T, key string, wanted []string, ask ...string) {
	oracle := kmodtest.Oracle(t)
	root, release := kmodtest.Corpus(t, key)
	s := selectIn(t, root, release, &initramfs.Options{Add: wanted})
	var image bytes.Buffer
	if _, err := s.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	inside := t.TempDir()
	dir, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := initramfs.Extract(&image, dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Modules {
		if !m.Builtin {
			ask = append(ask, m.Name)
		}
	}
	var says [2]string
	for i, d := range []string{root, inside} {
		out, err := oracle.Command("modprobe", append([]string{"-d", d, "-C", os.DevNull, "-S", release, "-a", "-D"}, ask...)...).Output()
		if err != nil {
			t.Fatalf("modprobe -d %s: %v, %s", d, err, err.(*exec.ExitError).Stderr)
		}
		says[i] = strings.ReplaceAll(string(out), d, "")
	}
	if d := cmp.Diff(strings.Split(says[0], "\n"), strings.Split(says[1], "\n")); d != "" || strings.Count(says[0], "\n") < len(ask) {
		t.Errorf("kmod says inside %d lines, outside %d: %s", strings.Count(says[1], "\n"), strings.Count(says[0], "\n"), d)
	}
	if mine, other := plans(t, root, release, ask), plans(t, inside, release, ask); mine != other {
		t.Errorf("ours: %s", cmp.Diff(strings.Split(mine, "\n"), strings.Split(other, "\n")))
	}
}

// plans are our plans for these names, without the root in them.
func plans(t *testing.T, root, release string, ask []string) string {
	t.Helper()
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Release: release})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range ask {
		plan, err := p.Plan(name, &modprobe.PlanOptions{ShowAll: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			fmt.Fprintln(&all, step)
		}
	}
	return all.String()
}

// shuffledFS lists folders in another order each time.
type shuffledFS struct{ fs.FS }

func (s shuffledFS) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(s.FS, name)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list, err
}

func (s shuffledFS) ReadLink(name string) (string, error)   { return fs.ReadLink(s.FS, name) }
func (s shuffledFS) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(s.FS, name) }

// TestReproducible: the bytes do not depend on the order of folders and requests, nor on the number of processors, the
// umask or the locale. The modules of 6.12 are compressed, those of 6.1 are not.
func TestReproducible(t *testing.T) {
	all := []initramfs.Compression{initramfs.Plain, initramfs.Gzip, initramfs.Xz, initramfs.Zstd}
	t.Run("6.12", func(t *testing.T) { testReproducible(t, "6.12", 100, all...) })
	t.Run("6.1", func(t *testing.T) { testReproducible(t, "6.1", 100, initramfs.Plain, initramfs.Gzip, initramfs.Zstd) })
	t.Run("6.1 xz", func(t *testing.T) { testReproducible(t, "6.1", 6, initramfs.Xz) })
}

func testReproducible(t *testing.T, key string, builds int, compressions ...initramfs.Compression) {
	if os.Getenv("GOMODPROBE_LONG") == "" {
		if key == "6.1" {
			t.Skip("takes long; run by make test-long")
		}
		builds = 6
	}
	root, release := kmodtest.Corpus(t, key)
	names := append([]string{"drivers/net/phy/*"}, bootNames[:20]...)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer syscall.Umask(syscall.Umask(0))
	want := make(map[initramfs.Compression][sha256.Size]byte)
	for i := range builds {
		runtime.GOMAXPROCS([]int{1, 2, 8}[i%3])
		syscall.Umask([]int{0o022, 0o077}[i%2])
		t.Setenv("LC_ALL", []string{"C", "tr_TR.UTF-8", "de_DE.ISO-8859-1"}[i/2%3])
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		s := selectFrom(t, shuffledFS{os.DirFS(root)}, release, &initramfs.Options{Add: names, Firmware: true, Config: true})
		entries, err := s.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range compressions {
			sum := sha256.New()
			if err := initramfs.Write(sum, entries, &initramfs.WriteOptions{Compression: c}); err != nil {
				t.Fatal(err)
			}
			got := [sha256.Size]byte(sum.Sum(nil))
			if i == 0 {
				want[c] = got
			} else if got != want[c] {
				t.Fatalf("build %d of %d has other bytes than the first, compressed with %q", i+1, builds, c)
			}
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	b.ReportAllocs()
	for b.Loop() {
		s := selectIn(b, root, release, &initramfs.Options{Add: bootNames, Firmware: true})
		n, err := s.WriteTo(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
		b.ReportMetric(float64(len(s.Modules)), "modules")
	}
}
