//go:build linux

package check_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestMovedOffsets disassembles modules that name a type that moved: the same function of the other build's module and
// of the kernel's own must differ by the offset of a member that moved.
func TestMovedOffsets(t *testing.T) {
	kmodtest.Long(t)
	kmodtest.Programs(t, "objdump")
	const from, to = "6.12", "6.12.118" // in which struct power_supply lost its first 8 bytes
	old, _ := kmodtest.Corpus(t, from)
	c := debian(t, to, check.Options{BuiltFor: old + "/boot/vmlinuz", Flags: modprobe.IgnoreModversions | modprobe.IgnoreVermagic})
	all := func(string) bool { return true }
	own := map[string]string{}
	for _, f := range corpusModules(t, to, all) {
		own[moduleOf(f)] = f
	}
	named, shown := 0, 0
	for _, f := range corpusModules(t, from, all) {
		ch := verdict(t, c, f).Changes
		if ch == nil || ch.Class != check.ClassNamesMoved || own[moduleOf(f)] == "" {
			continue
		}
		named++
		if where := shows(t, f, own[moduleOf(f)], moves(ch)); where != "" {
			shown++
			t.Logf("%s: %s", moduleOf(f), where)
		}
	}
	t.Logf("%d modules name a type that moved; in %d the instructions differ by a member's offset", named, shown)
	if shown < 3 {
		t.Errorf("%d of %d modules show the old offset of what moved", shown, named)
	}
}

// A move is that of a member that a module names, in bytes.
type move struct {
	from, to int64
	what     string
}

var place = regexp.MustCompile(` at 0x([0-9a-f]+)$`)

// moves lists the members that moved of the types that a module names.
func moves(ch *check.Changes) (list []move) {
	for _, typ := range ch.Types {
		for _, m := range typ.Members {
			was, is := place.FindStringSubmatch(m.Was), place.FindStringSubmatch(m.Is)
			if typ.Used == "" || was == nil || is == nil || was[1] == is[1] {
				continue
			}
			a, _ := strconv.ParseInt(was[1], 16, 64)
			b, _ := strconv.ParseInt(is[1], 16, 64)
			list = append(list, move{a, b, typ.Type + ", " + m.Name})
		}
	}
	return list
}

// shows finds a function in which an instruction has the old offset of a member, and in the other file the new one,
// with all else equal.
func shows(t *testing.T, old, own string, list []move) string {
	if len(list) == 0 {
		return ""
	}
	a, b := disassemble(t, old), disassemble(t, own)
	for name, was := range a {
		is := b[name]
		if len(was) != len(is) {
			continue
		}
		for i := range was {
			if was[i] == is[i] {
				continue
			}
			for _, m := range list {
				if strings.ReplaceAll(was[i], fmt.Sprintf("%#x", m.from), fmt.Sprintf("%#x", m.to)) == is[i] {
					return fmt.Sprintf("%s: %s, built for the kernel: %s (%s)", name, was[i], is[i], m.what)
				}
			}
		}
	}
	return ""
}

var (
	function = regexp.MustCompile(`^[0-9a-f]+ <(.+)>:$`)
	target   = regexp.MustCompile(`[0-9a-f]+ <.*`)
	blanks   = regexp.MustCompile(`\s+`)
)

// disassemble returns the instructions of each function, without the addresses that they jump to.
func disassemble(t *testing.T, file string) map[string][]string {
	t.Helper()
	plain := filepath.Join(t.TempDir(), "x.ko")
	if err := os.WriteFile(plain, readModule(t, file), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-d", "--no-show-raw-insn", plain).Output()
	if err != nil {
		t.Fatal("objdump:", err)
	}
	functions := map[string][]string{}
	name := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if m := function.FindStringSubmatch(line); m != nil {
			name = m[1]
			continue
		}
		if _, text, ok := strings.Cut(line, ":\t"); ok && name != "" {
			text = blanks.ReplaceAllString(strings.TrimSpace(target.ReplaceAllString(text, "")), " ")
			functions[name] = append(functions[name], text)
		}
	}
	return functions
}
