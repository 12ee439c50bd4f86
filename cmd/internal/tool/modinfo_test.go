package tool_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// result is what a run of a tool shows.
type result struct {
	stdout, stderr string
	status         int
}

// ours runs a tool of ours, args[0], in this process.
func ours(t testing.TB, args ...string) (r result) {
	t.Helper()
	r.stdout, r.stderr, r.status = runTool(t, args...)
	return r
}

// kmods runs the same tool of kmod's.
func kmods(t testing.TB, args ...string) (r result) {
	t.Helper()
	r.stdout, r.stderr, r.status = runOracle(t, args...)
	return r
}

// sameAsOracle compares the two for operands, which it passes in groups.
func sameAsOracle(t *testing.T, options, operands []string) {
	t.Helper()
	for len(operands) > 0 {
		n := min(len(operands), 2000)
		args := slices.Concat([]string{"modinfo"}, options, operands[:n])
		operands = operands[n:]
		got, want := ours(t, args...), kmods(t, args...)
		switch {
		case got.status != want.status:
			t.Errorf("modinfo %v …: status %d; want %d", options, got.status, want.status)
		case got.stdout != want.stdout:
			t.Errorf("modinfo %v …: stdout: %s", options, firstDifference(got.stdout, want.stdout))
		case got.stderr != want.stderr:
			t.Errorf("modinfo %v …: stderr: %s", options, firstDifference(got.stderr, want.stderr))
		}
	}
}

// firstDifference describes where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			before := ""
			if i > 0 {
				before = g[i-1]
			}
			return "after " + before + "got  " + g[i] + "want " + w[i]
		}
	}
	return "one is the beginning of the other"
}

// every returns each n-th element of list.
func every[T any](n int, list []T) []T {
	var some []T
	for i := 0; i < len(list); i += n {
		some = append(some, list[i])
	}
	return some
}

// moduleFiles returns all module files of a tree.
func moduleFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(name), ".ko") && e.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no modules: %v", dir, err)
	}
	return files
}

// moduleNames returns what a tree's modules can be asked for by: all names,
// builtin ones included, and some aliases.
func moduleNames(t testing.TB, dir string) (names []string) {
	t.Helper()
	for _, file := range []string{"modules.dep", "modules.builtin"} {
		for line := range strings.Lines(readFile(t, filepath.Join(dir, file))) {
			name, _, _ := strings.Cut(filepath.Base(strings.Fields(strings.ReplaceAll(line, ":", " "))[0]), ".")
			names = append(names, name)
		}
	}
	aliases := strings.Split(readFile(t, filepath.Join(dir, "modules.alias")), "\n")
	for _, line := range every(97, aliases) {
		if words := strings.Fields(line); len(words) == 3 {
			names = append(names, words[1], strings.ReplaceAll(words[1], "*", "0"))
		}
	}
	return names
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// modinfoFormats are the ways kmod's modinfo can show a module.
var modinfoFormats = [][]string{
	{}, {"-0"}, {"-a"}, {"-d"}, {"-l"}, {"-p"}, {"-n"}, {"-0p"}, {"-0n"}, {"-F", "alias"}, {"-0F", "firmware"}, {"-F", "parmtype"},
	{"-F", "name"}, {"-F", "vermagic"}, {"-F", "signature"}, {"-F", "sig_key"}, {"-F", "signer"}, {"--field=depends"}, {"-F", "nothing"},
}

// TestModinfoOracle compares with kmod on a sample of real modules, by file and
// by name, in all formats.
func TestModinfoOracle(t *testing.T) {
	for _, k := range []struct {
		key  string
		step int
	}{{"6.1", 40}, {"6.12", 400}} {
		root, release := kmodtest.Corpus(t, k.key)
		dir := filepath.Join(root, "lib/modules", release)
		files, names := every(k.step, moduleFiles(t, dir)), every(k.step, moduleNames(t, dir))
		for _, format := range modinfoFormats {
			sameAsOracle(t, format, files)
			sameAsOracle(t, append(format, "-b", root, "-k", release), names)
		}
		sameAsOracle(t, []string{"-b", root, "-k", release, "-m", "-n"}, names)
	}
}

// TestModinfoOracleAll compares all modules of many kernels.
func TestModinfoOracleAll(t *testing.T) {
	kmodtest.Long(t)
	for _, key := range []string{"5.10", "6.1", "6.12", "7.2",
		"6.1:arm64", "6.1:armhf", "6.1:i386", "6.1:s390x", "6.1:ppc64el", "6.1:mips64el"} {
		t.Run(key, func(t *testing.T) {
			root, release := kmodtest.Corpus(t, key)
			dir := filepath.Join(root, "lib/modules", release)
			files, names := moduleFiles(t, dir), moduleNames(t, dir)
			formats := modinfoFormats[:2]
			if key == "6.1" {
				formats = modinfoFormats
			}
			for _, format := range formats {
				sameAsOracle(t, format, files)
				sameAsOracle(t, append(format[:len(format):len(format)], "-b", root, "-k", release), names)
			}
			sameAsOracle(t, []string{"-b", root, "-k", release, "-m", "-n"}, names)
		})
	}
}
