//go:build linux

package check_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// dkmsKernels are kernels that drivers are built for, and the suite of Debian that has them.
var dkmsKernels = []struct{ key, suite string }{{"6.1", "bookworm"}, {"6.12", "trixie"}, {"7.2", "sid"}}

// dkmsPackages are packages of drivers that gcc-12 builds for all of these kernels.
var dkmsPackages = []string{"bbswitch-dkms", "acpi-call-dkms", "v4l2loopback-dkms", "vpoll-dkms", "tp-smapi-dkms", "rapiddisk-dkms", "librem-ec-acpi-dkms"}

// dkms builds the drivers of a package for a kernel, and returns their files. They are kept in the cache.
func dkms(t testing.TB, key, suite, name string) (files []string) {
	t.Helper()
	cache, err := vmtest.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "dkms", key, name)
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		os.RemoveAll(dir)
		src := filepath.Join(kmodtest.Fetch(t, "package", suite, name), "root/usr/src")
		if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
			t.Fatal(err)
		}
		buildDrivers(t, key, dir)
		if err := os.WriteFile(filepath.Join(dir, "done"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return found(t, dir, func(name string) bool { return strings.HasSuffix(name, ".ko") })
}

// found lists the files below a folder whose names pass.
func found(t testing.TB, dir string, pass func(name string) bool) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && pass(d.Name()) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// buildDrivers runs the kernel's makefiles in each folder that has one for them.
func buildDrivers(t testing.TB, key, dir string) {
	t.Helper()
	_, release := kmodtest.Corpus(t, key)
	headers := filepath.Join(kmodtest.Fetch(t, "kbuild", key), "root/usr/src/linux-headers-"+release)
	for _, file := range found(t, dir, func(name string) bool { return name == "Makefile" || name == "Kbuild" }) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("obj-")) {
			continue
		}
		// What this compiler does not know of newer kernels' options is left out, and so are types, for which there is
		// no pahole.
		cmd := exec.Command("make", "-C", headers, "M="+filepath.Dir(file), "KERNELRELEASE="+release, "KVERSION="+release, "CC=gcc-12",
			"CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s for %s: %v\n%s", file, release, err, out[max(0, len(out)-2000):])
		}
	}
}

// TestDKMS offers drivers that are built out of the kernel's tree to the kernels that they are built for and to the
// others, as they are, stripped, forced, and changed.
func TestDKMS(t *testing.T) {
	if os.Getenv("GOMODPROBE_FIELD") == "" {
		t.Skip("run by make test-field")
	}
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Programs(t, "make", "gcc-12", "strip")
	drivers, only := map[string][]string{}, os.Getenv("GOMODPROBE_TRIALS")
	for _, k := range dkmsKernels {
		if k.key != "6.1" && only != "" && !strings.HasPrefix(only, k.key) {
			continue // for one kernel, its own and those of 6.1 do
		}
		for _, name := range dkmsPackages {
			files := dkms(t, k.key, k.suite, name)
			t.Logf("%s for %s: %d modules", name, k.key, len(files))
			drivers[k.key] = append(drivers[k.key], files...)
		}
	}
	for _, key := range []string{"6.1", "6.1-prev", "6.1-cloud", "6.12", "6.12-cloud", "7.2", "7.2-cloud"} {
		if only != "" && only != key {
			continue
		}
		t.Run(key, func(t *testing.T) {
			c := newCourse(t, key, kernelOf(t, key))
			for _, k := range dkmsKernels {
				for _, f := range drivers[k.key] {
					c.driver(t, key, f)
				}
			}
			c.run(t, key)
		})
	}
}

// driver adds the trials of one driver, after the modules of the kernel that it needs.
func (c *course) driver(t testing.TB, key, file string) {
	t.Helper()
	image := readModule(t, file)
	magic, _ := kernel.ReadModule("", image).Field("vermagic")
	name := filepath.Base(file) + " of " + kernel.MagicRelease(magic)
	c.add("driver", name+", alone", image, 0, false)
	for _, need := range depends(image) {
		c.tree(t, key, need)
	}
	stripped := filepath.Join(t.TempDir(), "stripped.ko")
	if out, err := exec.Command("strip", "--strip-debug", "-o", stripped, file).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	c.add("driver", name+", stripped", readModule(t, stripped), 0, false)
	for flags := 1; flags <= 3; flags++ {
		c.add("driver", name+", forced", image, flags, false)
	}
	for _, change := range dependents {
		c.add("driver", name+", "+change.name, change.make(image), change.flags, false)
	}
}

// tree loads a module of the kernel with all that it needs, if the kernel has it as a module and it is not loaded.
func (c *course) tree(t testing.TB, key, name string) {
	t.Helper()
	if slices.ContainsFunc(c.loaded, func(m *kernel.Module) bool { return m.Name == name }) {
		return
	}
	dir, release := kmodtest.Corpus(t, key)
	for _, f := range found(t, filepath.Join(dir, "lib/modules", release), func(file string) bool {
		file, _, isModule := strings.Cut(file, ".ko")
		return isModule && strings.ReplaceAll(file, "-", "_") == name
	}) {
		image := readModule(t, f)
		for _, need := range depends(image) {
			c.tree(t, key, need)
		}
		c.keep("driver's dependency", name, image)
	}
}
