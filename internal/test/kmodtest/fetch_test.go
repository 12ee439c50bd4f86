//go:build linux

package kmodtest_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// fakeApt stands in for apt-get: it writes its arguments to $STATE/calls. With $STATE/online it fetches lists and
// packages; without, update fails as apt's does with Error-Mode any, and with $STATE/lenient it says nothing of that.
const fakeApt = `#!/bin/sh
echo "$*" >>"$STATE/calls"
lists=$(sed -n 's/^Dir::State::Lists "\(.*\)";/\1/p' "$APT_CONFIG" 2>/dev/null)
while [ $# -gt 0 ]; do
	case $1 in
	-o) shift ;;
	--print-uris)
		echo "'http://other.example/debian-security/dists/bookworm-security/InRelease' x 0"
		echo "'http://mirror.example/debian/dists/bookworm-updates/InRelease' x 0"
		echo "'http://mirror.example/debian/dists/bookworm/InRelease' x 0"
		exit ;;
	-*) ;;
	*) break ;;
	esac
	shift
done
case $1 in
update)
	case $* in *--print-uris*) exec "$0" --print-uris ;; esac
	if [ -e "$STATE/locked" ]; then rm "$STATE/locked"; echo "E: Could not get lock /x" >&2; exit 100; fi
	if [ -e "$STATE/online" ]; then
		[ -z "$lists" ] || echo "Package: p" >"$lists/mirror_Packages"
	elif [ ! -e "$STATE/lenient" ]; then
		echo "E: Failed to fetch" >&2
		exit 100
	fi ;;
download)
	shift
	[ -e "$STATE/online" ] || exit 100
	for p; do [ "$p" != nosuch ] || exit 100; done
	for p; do echo "$p" >"$p.deb"; done ;;
install)
	if [ -e "$STATE/locked-dpkg" ]; then rm "$STATE/locked-dpkg"; echo "E: Could not get lock /y" >&2; exit 100; fi
	[ -e "$STATE/online" ] || { echo "E: Unable to locate package" >&2; exit 100; } ;;
esac
`

// fakeDpkg stands in for dpkg-deb -x FILE DIR.
const fakeDpkg = `#!/bin/sh
mkdir -p "$3" && cp "$2" "$3/"
`

// fetcher runs the scripts with programs that stand in for apt's.
type fetcher struct {
	t                 *testing.T
	cache, state, bin string
}

func newFetcher(t *testing.T) *fetcher {
	f := &fetcher{t: t, cache: filepath.Join(t.TempDir(), "cache"), state: t.TempDir(), bin: t.TempDir()}
	for name, text := range map[string]string{"apt-get": fakeApt, "dpkg-deb": fakeDpkg} {
		if err := os.WriteFile(filepath.Join(f.bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// run runs a script in a run of tests of that name, and returns its status and what it said.
func (f *fetcher) run(name, script string, args ...string) (status int, stdout, stderr string) {
	f.t.Helper()
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+f.bin+":"+os.Getenv("PATH"), "STATE="+f.state, "GOMODPROBE_CACHE="+f.cache,
		"GOMODPROBE_RUN="+name, "GOMODPROBE_PAUSE=0", "CI=", "APT_CONFIG=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(out.String()), strings.TrimSpace(errs.String())
}

// fetch runs fetch.sh and compares the status.
func (f *fetcher) fetch(name string, want int, args ...string) (stdout, stderr string) {
	f.t.Helper()
	status, stdout, stderr := f.run(name, "fetch.sh", args...)
	if status != want {
		f.t.Fatalf("fetch.sh %v: status %d, want %d\n%s", args, status, want, stderr)
	}
	return stdout, stderr
}

// set makes or removes a file that the programs look for.
func (f *fetcher) set(name string, there bool) {
	f.t.Helper()
	err := os.Remove(filepath.Join(f.state, name))
	if there {
		err = os.WriteFile(filepath.Join(f.state, name), nil, 0o644)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
}

// calls returns the calls of apt-get since it was asked last.
func (f *fetcher) calls() string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.state, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	f.set("calls", false)
	return string(text)
}

// TestFetch: what was fetched is kept, and given without the network.
func TestFetch(t *testing.T) {
	f := newFetcher(t)
	f.set("online", true)
	dir, _ := f.fetch("1", 0, "package", "bookworm", "p")
	if text, err := os.ReadFile(filepath.Join(dir, "root/p.deb")); err != nil || string(text) != "p\n" {
		t.Errorf("the package: %q, %v", text, err)
	}
	list, err := os.ReadFile(filepath.Join(f.cache, "apt/bookworm-amd64/sources.list"))
	if err != nil || string(list) != "deb http://mirror.example/debian bookworm main\n" {
		t.Errorf("sources.list: %q, %v", list, err)
	}
	f.set("online", false)
	f.calls()
	for _, args := range [][]string{{"package", "bookworm", "p"}, {"-cached", "package", "bookworm", "p"}} {
		if again, _ := f.fetch("2", 0, args...); again != dir {
			t.Errorf("%v: %s, before it was %s", args, again, dir)
		}
	}
	if calls := f.calls(); calls != "" {
		t.Errorf("apt-get was run for what is there:\n%s", calls)
	}
}

// TestFetchCached: with -cached nothing is fetched, nothing is written, and nobody waited for.
func TestFetchCached(t *testing.T) {
	f := newFetcher(t)
	f.set("online", true)
	for _, args := range [][]string{
		{"oracle"}, {"oracle30"}, {"kernel", "6.1"}, {"tree", "6.1", "none"}, {"headers", "6.1"}, {"kbuild", "6.1"},
		{"package", "sid:s390x", "p"}, {"udev"},
	} {
		f.fetch("1", 4, append([]string{"-cached"}, args...)...)
	}
	if calls := f.calls(); calls != "" {
		t.Errorf("apt-get was run:\n%s", calls)
	}
	if _, err := os.Stat(f.cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cache folder: %v; want none", err)
	}
}

// TestFetchOffline: that the archive cannot be reached is found out once in a run, and tried again in the next.
func TestFetchOffline(t *testing.T) {
	f := newFetcher(t)
	if _, said := f.fetch("1", 3, "package", "bookworm", "p"); !strings.HasSuffix(said, "cannot be fetched: no network?") {
		t.Errorf("said %s", said)
	}
	if calls := f.calls(); strings.Count(calls, "-qq update\n") != 3 {
		t.Errorf("want three updates:\n%s", calls)
	}
	for _, args := range [][]string{{"package", "bookworm", "p"}, {"oracle"}, {"kernel", "6.12:arm64"}, {"udev"}} {
		if _, said := f.fetch("1", 3, args...); !strings.HasPrefix(said, "fetch: not tried again in this run\n") || !strings.HasSuffix(said, "no network?") {
			t.Errorf("%v said %s", args, said)
		}
	}
	if calls := f.calls(); calls != "" {
		t.Errorf("apt-get was run again:\n%s", calls)
	}
	f.set("online", true)
	f.fetch("2", 0, "package", "bookworm", "p")
	f.fetch("1", 0, "package", "bookworm", "p") // it is there now
	f.fetch("1", 3, "package", "bookworm", "q") // but the run does not ask
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(f.cache, "failed/1"), long, long); err != nil {
		t.Fatal(err)
	}
	f.fetch("1", 0, "package", "bookworm", "q")
	f.set("online", false)
	f.fetch("", 3, "package", "trixie", "p")
	f.calls()
	f.fetch("", 3, "package", "trixie", "p")
	if f.calls() == "" {
		t.Error("without the name of a run a failure was remembered")
	}
}

// TestFetchTree: what can be made of what is in the cache is made, also where the archive could not be reached.
func TestFetchTree(t *testing.T) {
	kmodtest.Programs(t, "xz", "gzip")
	f := newFetcher(t)
	f.fetch("1", 3, "kernel", "6.1")
	modules := filepath.Join(f.cache, "kernels/6.1/lib/modules/6.1.0-made")
	if err := os.MkdirAll(filepath.Join(modules, "kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../../../release", "kernel/a.ko", "modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		if err := os.WriteFile(filepath.Join(modules, name), []byte("6.1.0-made\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.fetch("1", 4, "-cached", "tree", "6.1", "gz")
	dir, _ := f.fetch("1", 0, "tree", "6.1", "gz")
	if _, err := os.Stat(filepath.Join(dir, "lib/modules/6.1.0-made/kernel/a.ko.gz")); err != nil {
		t.Error(err)
	}
}

// TestFetchPoisoned: the mark of an update that fetched nothing, as it was once made, does not count; and apt-get that
// claims to have updated what it has not is not believed.
func TestFetchPoisoned(t *testing.T) {
	f := newFetcher(t)
	d := filepath.Join(f.cache, "apt/bookworm-amd64")
	if err := os.MkdirAll(filepath.Join(d, "lists/partial"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"updated", "sources.list"} {
		if err := os.WriteFile(filepath.Join(d, name), []byte("deb http://mirror.example/debian bookworm main\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.set("lenient", true)
	if _, said := f.fetch("1", 3, "package", "bookworm", "p"); !strings.Contains(said, "fetched no package lists") {
		t.Errorf("said %s", said)
	}
	f.set("online", true)
	f.fetch("2", 0, "package", "bookworm", "p")
}

// TestFetchLacking: that one package cannot be had is no reason not to fetch another; and nothing half done is left.
func TestFetchLacking(t *testing.T) {
	f := newFetcher(t)
	f.set("online", true)
	f.fetch("1", 3, "package", "bookworm", "nosuch")
	for _, pattern := range []string{"tmp.*", "debs.*"} {
		if left, _ := filepath.Glob(filepath.Join(f.cache, pattern)); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
	f.fetch("1", 0, "package", "bookworm", "p")
	f.calls()
	if _, said := f.fetch("1", 3, "package", "bookworm", "nosuch"); !strings.Contains(said, "cannot download nosuch") {
		t.Errorf("said %s", said)
	}
	if calls := f.calls(); calls != "" {
		t.Errorf("apt-get was run again:\n%s", calls)
	}
}

// TestNeed: need.sh says what it installs, and waits while another apt has a lock.
func TestNeed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("need.sh installs as root only")
	}
	f := newFetcher(t)
	for _, name := range []string{"online", "locked", "locked-dpkg"} {
		f.set(name, true)
	}
	status, _, said := f.run("", "need.sh", "sh=dash", "no-such-program=one", "no-such-other=one", "no-such-third=two")
	if status != 0 || !strings.HasPrefix(said, "installing for the tests, with what they depend on: one two\n") ||
		strings.Count(said, "waiting for another apt") != 2 {
		t.Errorf("status %d\n%s", status, said)
	}
	if calls := f.calls(); strings.Count(calls, "install -y --no-install-recommends one two\n") != 2 {
		t.Errorf("calls:\n%s", calls)
	}
	f.set("online", false)
	if status, _, said := f.run("", "need.sh", "no-such-program=one"); status != 1 || !strings.Contains(said, "no network?") {
		t.Errorf("without network: status %d\n%s", status, said)
	}
	f.calls()
	if status, _, _ := f.run("", "need.sh", "sh=dash"); status != 0 || f.calls() != "" {
		t.Error("apt-get was run though nothing is missing")
	}
}
