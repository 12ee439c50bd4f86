//go:build linux

package btf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// A course is the modules that a guest is offered, and what Validate says of each.
type course struct {
	t      *testing.T
	kernel *btf.File
	files  map[string][]byte
	list   strings.Builder
	counts map[string]int
}

// add puts a module on the list.
func (c *course) add(kind, name string, image []byte) {
	v, why := btf.Validate(section(c.t, image, ".BTF"), section(c.t, image, ".BTF.base"), c.kernel)
	file := fmt.Sprintf("trials/%05d.ko", len(c.files))
	c.files[file] = image
	c.counts[fmt.Sprintf("%s %d", kind, v)]++
	fmt.Fprintf(&c.list, "%d /%s %s %s: %v\n", v, file, moduleName(c.t, image), name, why)
}

func moduleName(t testing.TB, image []byte) string {
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Modinfo()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range info {
		if name, ok := strings.CutPrefix(fmt.Sprint(field), "name="); ok {
			return name
		}
	}
	t.Fatal("no name")
	return ""
}

// withBTF returns a module with other types, unsigned: the section goes to the end of the file.
func withBTF(t testing.TB, image, data []byte) []byte {
	t.Helper()
	image, _ = elf.SplitSignature(image)
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := f.Section(".BTF")
	if !ok {
		t.Fatal("no .BTF")
	}
	out := append(append(bytes.Clone(image), make([]byte, -len(image)&7)...), data...)
	header := binary.LittleEndian.Uint64(out[40:]) + uint64(s.Index)*64
	binary.LittleEndian.PutUint64(out[header+24:], uint64(len(out)-len(data)))
	binary.LittleEndian.PutUint64(out[header+32:], uint64(len(data)))
	return out
}

// withBase returns a module with other types and a distilled base.
func withBase(t testing.TB, image, data, base []byte) []byte {
	t.Helper()
	kmodtest.Programs(t, "objcopy")
	image, _ = elf.SplitSignature(image)
	dir := t.TempDir()
	file, part := filepath.Join(dir, "x.ko"), filepath.Join(dir, "base")
	for name, content := range map[string][]byte{file: withBTF(t, image, data), part: base} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("objcopy", "--add-section", ".BTF.base="+part, file).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, out)
	}
	out, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// alone tells whether a module needs no other, and is in a folder whose modules do nothing when they are loaded.
func alone(t testing.TB, name string, image []byte) bool {
	for _, folder := range []string{"fs/nls", "crypto", "lib", "net"} {
		if strings.HasPrefix(name, "kernel/"+folder+"/") {
			return bytes.Contains(section(t, image, ".modinfo"), []byte("depends=\x00")) &&
				section(t, image, ".BTF") != nil
		}
	}
	return false
}

// TestValidateGuest lets a kernel without CONFIG_MODULE_ALLOW_BTF_MISMATCH judge Validate: by its own modules, those
// of its other flavour, damaged ones, and the rules one by one. GOMODPROBE_SEED makes other damage.
func TestValidateGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: no guests")
	}
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kernel, err := btf.Parse(kernelBTF(t, "7.2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &course{t: t, kernel: kernel, files: map[string][]byte{}, counts: map[string]int{}}
	var some [][]byte
	modules(t, "7.2", 9, func(name string, image []byte) {
		if alone(t, name, image) {
			c.add("own", name, image)
			some = append(some, image)
		}
	})
	modules(t, "7.2-cloud", 9, func(name string, image []byte) {
		if alone(t, name, image) {
			c.add("cloud", name, image)
		}
	})
	seed, _ := strconv.ParseUint(os.Getenv("GOMODPROBE_SEED"), 10, 64)
	random := rand.New(rand.NewPCG(7+seed, 2))
	for i := range 300 {
		image := some[i%len(some)]
		c.add("damaged", fmt.Sprintf("damage %d", i), withBTF(t, image, damaged(random, section(t, image, ".BTF"))))
	}
	c.rules(some[0])
	c.files["trials/list"] = []byte(c.list.String())
	size := 0
	for _, f := range c.files {
		size += len(f)
	}
	t.Logf("trials, by kind and answer: %v", c.counts)
	vmtest.Run(t, "7.2", vmtest.Options{Tests: "^TestGuestValidate$", Files: c.files, Memory: 768 + 3*size>>20,
		Log: func(_, text string) { t.Log(text) }})
}

// damaged changes a word, behind the header mostly.
func damaged(random *rand.Rand, data []byte) []byte {
	out := bytes.Clone(data)
	types := binary.LittleEndian.Uint32(data[12:])
	at := 24 + random.IntN(int(types)/4)*4
	if random.IntN(10) == 0 {
		at = random.IntN(6) * 4
	}
	v := binary.LittleEndian.Uint32(out[at:])
	switch random.IntN(4) {
	case 0:
		v ^= 1 << random.IntN(32)
	case 1:
		v++
	case 2:
		v += 8
	case 3:
		v = random.Uint32() >> random.IntN(32)
	}
	binary.LittleEndian.PutUint32(out[at:], v)
	return out
}

// rules adds a module for each rule, and distilled bases.
func (c *course) rules(image []byte) {
	id := func(name string, kind btf.Kind) uint32 {
		for _, typ := range c.kernel.Lookup(name) {
			if typ.Kind == kind {
				return uint32(typ.ID)
			}
		}
		c.t.Fatalf("no %v %s", kind, name)
		return 0
	}
	base := &kmodtest.BTF{Types: uint32(c.kernel.End()) - 1, Strings: c.kernel.Strings()}
	ids := ruleIDs{long: id("long unsigned int", btf.Int), char: id("char", btf.Int), list: id("list_head", btf.Struct),
		dev: id("device", btf.Struct), end: uint32(c.kernel.End())}
	ids.devSize = c.kernel.Type(btf.ID(ids.dev)).Size
	for _, r := range rules(ids) {
		b := &kmodtest.BTF{Base: base}
		r.make(b)
		c.add("rule", r.name, withBTF(c.t, image, b.Bytes()))
	}
	c.add("rule", "no types", withBTF(c.t, image, (&kmodtest.BTF{Base: base}).Bytes()))
	twice := c.twice()
	for _, d := range []struct {
		name   string
		embeds bool
		make   func(b *kmodtest.BTF)
	}{
		{"as the kernel has it", false, func(b *kmodtest.BTF) {
			b.Struct("device", ids.devSize)
			b.Add(7<<24, "list_head", 0)
			b.Int("long unsigned int", 8)
		}},
		{"of another size, pointed to", false, func(b *kmodtest.BTF) { b.Struct("device", ids.devSize+8) }},
		{"embedded", true, func(b *kmodtest.BTF) { b.Struct("device", ids.devSize) }},
		{"of another size, embedded", true, func(b *kmodtest.BTF) { b.Struct("device", ids.devSize+8) }},
		{"of another size, embedded, smaller", true, func(b *kmodtest.BTF) { b.Struct("device", ids.devSize-8) }},
		{"unknown structure", false, func(b *kmodtest.BTF) { b.Struct("no_such_structure", 8) }},
		{"unknown declaration", false, func(b *kmodtest.BTF) { b.Add(7<<24, "no_such_structure", 0) }},
		{"declared union", false, func(b *kmodtest.BTF) { b.Add(1<<31|7<<24, "device", 0) }},
		{"number of another size", false, func(b *kmodtest.BTF) { b.Int("long unsigned int", 4) }},
		{"number of another meaning", false, func(b *kmodtest.BTF) { b.Add(1<<24, "long unsigned int", 8, 1<<24|64) }},
		{"enumeration", false, func(b *kmodtest.BTF) { b.Add(6<<24, "pid_type", 4) }},
		{"enumeration of another size", false, func(b *kmodtest.BTF) { b.Add(6<<24, "pid_type", 8) }},
		{"two of that name, declared", false, func(b *kmodtest.BTF) { b.Add(7<<24, twice[0].Name(), 0) }},
		{"two of that name, pointed to", false, func(b *kmodtest.BTF) { b.Struct(twice[0].Name(), twice[0].Size) }},
		{"two of that name, of a third size", false, func(b *kmodtest.BTF) { b.Struct(twice[0].Name(), 12345) }},
		{"two of that name, of a third size, embedded", true, func(b *kmodtest.BTF) {
			b.Struct(twice[0].Name(), 12345)
		}},
		{"two of that name, embedded", true, func(b *kmodtest.BTF) { b.Struct(twice[0].Name(), twice[0].Size) }},
		{"two of that name, embedded, the second", true, func(b *kmodtest.BTF) {
			b.Struct(twice[1].Name(), twice[1].Size)
		}},
		{"typedef", false, func(b *kmodtest.BTF) { b.Typedef("u32", b.Int("unsigned int", 4)) }},
		{"without name", false, func(b *kmodtest.BTF) { b.Struct("", 8) }},
	} {
		base := &kmodtest.BTF{}
		d.make(base)
		b := &kmodtest.BTF{Base: base}
		if d.embeds {
			b.Struct("own", 8192, kmodtest.At("x", 1, 0))
		} else {
			b.Struct("own", 8, kmodtest.At("p", b.Pointer(1), 0))
		}
		c.add("distilled", d.name, withBase(c.t, image, b.Bytes(), base.Bytes()))
	}
}

// twice returns two structures of the kernel with one name and different sizes.
func (c *course) twice() [2]btf.Type {
	seen := map[string]btf.Type{}
	for typ := range c.kernel.OfKind(btf.Struct) {
		name := typ.Name()
		if before, ok := seen[name]; ok && name != "" && before.Size != typ.Size && len(c.kernel.Lookup(name)) == 2 {
			return [2]btf.Type{before, typ}
		}
		seen[name] = typ
	}
	c.t.Fatal("no two structures of one name")
	return [2]btf.Type{}
}

// TestGuestValidate runs in the guest: it loads the modules of the list.
func TestGuestValidate(t *testing.T) {
	vmtest.InGuest(t)
	list, err := os.ReadFile("/trials/list")
	if err != nil {
		t.Fatal(err)
	}
	kmsg, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Seek(kmsg, 0, unix.SEEK_END)
	counts := map[string]int{}
	for line := range strings.Lines(string(list)) {
		var want btf.Validity
		var file, module string
		if _, err := fmt.Sscan(line, &want, &file, &module); err != nil {
			t.Fatal(err)
		}
		got, refused := loadBTF(t, kmsg, file, module)
		wantErr := error(unix.EINVAL)
		counts[fmt.Sprintf("%d %v", want, refused)]++
		switch {
		case want == btf.Valid && refused, want == btf.Invalid && !refused, refused && got != wantErr:
			t.Errorf("refused for its types: %v (%v): %s", refused, got, line)
		case want == btf.NotKnown:
			t.Logf("not known, refused for its types: %v (%v): %s", refused, got, line)
		}
	}
	t.Logf("answer and whether the kernel refuses the types: %v", counts)
}

// loadBTF loads a module and tells whether the kernel refused it for its types.
func loadBTF(t *testing.T, kmsg int, file, module string) (err error, refused bool) {
	fd, err := unix.Open(file, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.FinitModule(fd, "", unix.MODULE_INIT_IGNORE_MODVERSIONS|unix.MODULE_INIT_IGNORE_VERMAGIC)
	unix.Close(fd)
	line := "failed to validate module [" + module + "] BTF: -22"
	buf := make([]byte, 8192)
	for {
		n, readErr := unix.Read(kmsg, buf)
		if readErr == unix.EPIPE {
			continue
		}
		if readErr != nil || n <= 0 {
			break
		}
		refused = refused || bytes.Contains(buf[:n], []byte(line))
	}
	if err == nil {
		for range 100 {
			if unix.DeleteModule(module, unix.O_NONBLOCK) != unix.EAGAIN {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return err, refused
}
