//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// dependencies adds modules of the kernel that need others, after those, and changed copies of each. What was loaded
// stays.
func (c *course) dependencies(t testing.TB, key string, rnd *rand.Rand, n int) {
	t.Helper()
	files := map[string]string{}
	for _, f := range corpusModules(t, key, suitable) {
		name, _, _ := strings.Cut(filepath.Base(f), ".ko")
		files[strings.ReplaceAll(name, "-", "_")] = f
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	done := map[string]bool{} // whether it is predicted to be loaded
	var load func(name string) bool
	load = func(name string) bool {
		if ok, seen := done[name]; seen {
			return ok
		}
		done[name] = false
		f := files[name]
		if f == "" {
			return false
		}
		image := readModule(t, f)
		for _, need := range depends(image) {
			if !load(need) {
				return false
			}
		}
		done[name] = c.keep("dependency", name, image)
		return done[name]
	}
	for _, name := range names {
		image := readModule(t, files[name])
		needs := depends(image)
		if len(needs) == 0 || done[name] {
			continue
		}
		c.add("before its dependencies", name, image, 0, false)
		ready := true
		for _, need := range needs {
			ready = load(need) && ready
		}
		if !ready {
			continue
		}
		for _, change := range dependents {
			c.add("after its dependencies", name+", "+change.name, change.make(image), change.flags, false)
		}
		if n--; n == 0 {
			return
		}
	}
}

// suitable tells whether a module may be loaded in a guest that goes on.
func suitable(name string) bool {
	return !slices.ContainsFunc(unsuitable, func(part string) bool { return strings.Contains(name, part) })
}

// depends reads what a module names as its dependencies.
func depends(image []byte) []string {
	text, _ := kernel.ReadModule("", image).Field("depends")
	return strings.FieldsFunc(strings.ReplaceAll(text, "-", "_"), func(r rune) bool { return r == ',' })
}

// dependents are ways to change a module that uses another one.
var dependents = []struct {
	name  string
	flags int
	make  func(image []byte) []byte
}{
	{"as built", 0, bytes.Clone},
	{"forced", 3, bytes.Clone},
	{"without signature", 0, unsigned},
	{"proprietary", 0, func(b []byte) []byte {
		return bytes.Replace(unsigned(b), []byte("\x00license=GPL"), []byte("\x00license=BSD"), 1)
	}},
	{"without licence", 0, func(b []byte) []byte {
		return bytes.Replace(unsigned(b), []byte("\x00license="), []byte("\x00xicense="), 1)
	}},
	{"out of the tree", 0, func(b []byte) []byte {
		return bytes.Replace(unsigned(b), []byte("\x00intree="), []byte("\x00xntree="), 1)
	}},
	{"no namespace imported", 0, func(b []byte) []byte {
		return bytes.ReplaceAll(unsigned(b), []byte("\x00import_ns="), []byte("\x00xmport_ns="))
	}},
	{"changed and signed", 0, func(b []byte) []byte {
		return bytes.Replace(b, []byte("\x00license="), []byte("\x00xicense="), 1)
	}},
}

// unsigned takes a signature off.
func unsigned(image []byte) []byte {
	m := kernel.ReadModule("", image)
	return bytes.Clone(m.Image)
}

// toolBases are modules without functions that run when they are loaded, and a few that need nothing.
var toolBases = []string{"mii", "crc7", "libarc4", "fat", "nls_cp437"}

// tools adds what strip and objcopy make of modules, by every one of so many command lines.
func (c *course) tools(t testing.TB, key string, every int, bases ...string) {
	t.Helper()
	kmodtest.Programs(t, "objcopy", "strip")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.ko"), filepath.Join(dir, "out.ko")
	for _, file := range corpusModules(t, key, func(name string) bool { return slices.Contains(bases, name) }) {
		base, _, _ := strings.Cut(filepath.Base(file), ".ko")
		image := unsigned(readModule(t, file))
		if err := os.WriteFile(in, image, 0o600); err != nil {
			t.Fatal(err)
		}
		begins := kernel.ReadModule("", image).Init >= 0
		for i, args := range toolArgs(t, image) {
			if i%every != 0 {
				continue
			}
			if begins && slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "=") || strings.HasPrefix(arg, ".") }) {
				continue // its init function might crash
			}
			os.Remove(out)
			if text, err := exec.Command(args[0], append(args[1:], "-o", out, in)...).CombinedOutput(); args[0] == "strip" && err != nil {
				t.Logf("%q: %v %s", args, err, text)
				continue
			} else if args[0] == "objcopy" {
				if text, err := exec.Command(args[0], append(args[1:], in, out)...).CombinedOutput(); err != nil {
					t.Logf("%q: %v %s", args, err, text)
					continue
				}
			}
			made, err := os.ReadFile(out)
			if err != nil {
				continue
			}
			c.add("tool "+args[0], base+" "+strings.Join(args[1:], " "), made, 0, false)
		}
	}
}

// patched are sections whose entries name places in the code. Without their relocations kernels patch at random.
var patched = []string{".text", "alternative", "return_sites", "retpoline", "call_sites", "ibt_", "static_call", "jump_table", "mcount_loc", "patchable",
	"smp_locks", "parainstructions", "orc_", "ex_table", "bug_table", "this_module", ".static", "tracepoint", "ftrace", "init_array", "param"}

// runs tells whether a kernel executes a section, or what its entries name, when the module is loaded.
func runs(section string) bool {
	return slices.ContainsFunc(patched, func(p string) bool { return strings.Contains(section, p) })
}

// toolArgs are the command lines that are tried on a module.
func toolArgs(t testing.TB, image []byte) (list [][]string) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"--strip-debug", "-d -S", "--strip-all", "--strip-unneeded", "--only-keep-debug", "-x", "-X", "--strip-debug --keep-file-symbols",
		"--strip-unneeded -K init_module -K cleanup_module", "-R .comment", "-R .note*", "-w -N __ksymtab*", "-w -N __crc_*", "-N __this_module", "-w -K *", "-D -g"} {
		list = append(list, append([]string{"strip"}, strings.Fields(args)...))
	}
	for _, args := range []string{"", "--strip-debug", "--strip-all", "--strip-unneeded", "--only-keep-debug", "--extract-symbol", "--discard-all", "--discard-locals",
		"--compress-debug-sections", "--compress-debug-sections=zstd", "--decompress-debug-sections", "--weaken", "--localize-hidden", "-w -W _*", "-w -L __k*", "-w -G pair*",
		"--add-gnu-debuglink=/bin/true", "--prefix-alloc-sections=x", "--prefix-sections=.x", "--remove-leading-char", "--change-leading-char", "--gap-fill=1",
		"--set-section-flags .modinfo=noload", "--set-section-flags .gnu.linkonce.this_module=readonly,data", "--rename-section .modinfo=.modinfo2",
		"--rename-section .gnu.linkonce.this_module=.this", "--rename-section __versions=.versions", "--rename-section .text=.text.other", "--only-section=.modinfo",
		"--only-section=.gnu.linkonce.this_module", "-j .modinfo -j .gnu.linkonce.this_module", "--redefine-sym _printk=_printf", "--redefine-sym __this_module=this",
		"--add-symbol extra=.text:0,function,global", "--add-symbol extra=0x10", "-O elf64-little", "-O elf32-x86-64", "-O binary", "-O srec", "-O elf32-i386", "--add-section .extra=/bin/true",
		"--add-section .modinfo=/etc/hostname", "--set-section-alignment .text=4096", "--set-section-alignment .modinfo=65536", "--verilog-data-width=1", "--pure", "--long-section-names=keep", "--dwarf-depth=0", "--elf-stt-common=yes", "--no-merge-notes", "-M", "--writable-text", "--change-section-address .text=0x1000"} {
		list = append(list, append([]string{"objcopy"}, strings.Fields(args)...))
	}
	for _, s := range f.Sections[1:] {
		if s.Type != elf.SHT_RELA && s.Type != elf.SHT_REL || !runs(s.Name) {
			list = append(list, []string{"objcopy", "-R", s.Name})
		}
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type == elf.SHT_PROGBITS {
			list = append(list, []string{"objcopy", "--set-section-flags", s.Name + "=alloc,load,contents"})
			if s.Name == ".text" || !runs(s.Name) {
				list = append(list, []string{"objcopy", "--set-section-flags", s.Name + "=contents"})
			}
		}
	}
	return list
}

// sample adds some 40 trials of these kinds, which a guest judges in seconds.
func (c *course) sample(t testing.TB, key string) {
	t.Helper()
	newPairMaker(t, key, c, 1).add()
	c.tools(t, key, 7, "mii")
	c.dependencies(t, key, rand.New(rand.NewPCG(1, 5)), 2)
	c.remove(0)
}

// TestKinds lets real kernels judge Check by modules that use each other, and by what tools make of modules. TestTrials
// has a sample of these; GOMODPROBE_TRIALS names one kernel, GOMODPROBE_SEED begins elsewhere.
func TestKinds(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	if os.Getenv("GOMODPROBE_LONG") == "" {
		t.Skip("takes long; run by make test-long")
	}
	seed, _ := strconv.ParseUint(os.Getenv("GOMODPROBE_SEED"), 10, 64)
	for _, key := range []string{"5.10", "6.1", "6.12", "7.2", "7.2-cloud", "6.1-rt", "6.12-bpo", "6.12-rt", "6.1:i386", "uml"} {
		if only := os.Getenv("GOMODPROBE_TRIALS"); only != "" && only != key {
			continue
		}
		t.Run(key, func(t *testing.T) {
			c := newCourse(t, key, kernelOf(t, key))
			if key != "uml" { // whose tables of exports are others
				p := newPairMaker(t, key, c, seed+1)
				for range 150 {
					p.add()
				}
			}
			c.tools(t, key, 1, toolBases...)
			c.dependencies(t, key, rand.New(rand.NewPCG(seed, 5)), 60)
			c.run(t, key)
		})
	}
}
