package kmodtest

import (
	"bytes"
	_ "embed" // fetch.sh
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

//go:embed fetch.sh
var fetchScript string

// Missing skips the test because the machine lacks something it needs, or fails it where nothing may be
// missing: when CI=true.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("with CI=true nothing may be missing: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Programs skips the test, or fails it with CI=true, if one of the programs is not installed. "make need" installs what
// the tests want.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, "%s is not installed", name)
		}
	}
}

// Long skips a test that takes minutes, unless GOMODPROBE_LONG is set: make test-long sets it.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv("GOMODPROBE_LONG") == "" {
		t.Skip("takes long; run by make test-long")
	}
}

// CacheDir is the folder that keeps downloads between runs.
func CacheDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("GOMODPROBE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		Missing(t, "no cache folder: %v", err)
	}
	return filepath.Join(dir, "gomodprobe")
}

// Fetch runs fetch.sh and returns the folder it prints. It skips the test where apt or the network is missing, and with
// -short if the folder is not in the cache: then nothing is fetched.
func Fetch(t testing.TB, args ...string) (dir string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		Missing(t, "Debian's packages are unpacked on Linux only")
	}
	want := strings.Join(args, " ")
	if testing.Short() {
		args = append([]string{"-cached"}, args...)
	}
	cmd := exec.Command("sh", append([]string{"-c", fetchScript, "fetch.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "GOMODPROBE_CACHE="+CacheDir(t), "GOMODPROBE_RUN="+runName())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return strings.TrimSpace(string(out))
	case errors.As(err, &exit) && exit.ExitCode() == 4:
		t.Skipf("-short: %s is not in the cache, and nothing is fetched", want)
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		said := strings.TrimSpace(stderr.String())
		t.Log(said)
		_, reason, _ := strings.Cut(said[strings.LastIndexByte(said, '\n')+1:], "fetch: ")
		Missing(t, "cannot fetch %s: %s", want, reason)
	case errors.Is(err, exec.ErrNotFound):
		Missing(t, "cannot fetch %s: %v", want, err)
	}
	t.Fatalf("fetch.sh %s: %v\n%s", want, err, stderr.Bytes())
	return ""
}

// runName names the run of tests this process belongs to by the process that started it: that of "go test", which
// starts the tests of all packages. The parent's number alone would be given to another process one day, so that its
// start time is part of the name.
func runName() string {
	parent := os.Getppid()
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", parent))
	// The second field, the program's name in parentheses, may contain anything; the start is the 22nd.
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(rest) < 20 {
		return strconv.Itoa(parent)
	}
	return fmt.Sprintf("%d-%s", parent, rest[19])
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
