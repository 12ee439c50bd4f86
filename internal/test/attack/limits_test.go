//go:build linux

package attack

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// limits are settings of ulimit, none below the floor that README names. -p is that of threads.
var limits = []string{
	"-v 1500000", "-v 2000000", "-d 131072", "-d 262144", "-m 65536", "-s 64", "-s 256", "-s 65536", "-c 0", "-l 0",
	"-n 16", "-n 20", "-n 24", "-n 32", "-n 48", "-n 64", "-n 256", "-f 0", "-f 1", "-f 8", "-t 20",
	"-p 16", "-p 32", "-v 1500000; ulimit -d 131072; ulimit -n 20; ulimit -s 256",
}

// TestDescriptors: with as few descriptors as README names all tools have their answers, whatever the number of
// processors, also for more folders than descriptors.
func TestDescriptors(t *testing.T) {
	m := newMachine(t)
	module, err := os.ReadFile(m.modules("kernel/m0.ko"))
	must(t, err)
	for i := range 60 {
		dir := m.modules(fmt.Sprintf("kernel/d%d", i))
		must(t, os.Mkdir(dir, 0o755), os.WriteFile(fmt.Sprintf("%s/n%d.ko", dir, i), module, 0o644))
	}
	must(t, m.command("depmod", "-b", m.root, release).Run())
	plain := m.plain(t)
	for _, procs := range []int{1, 2, 16, long(256, 64)} {
		for j, c := range m.commands() {
			cmd := exec.Command("/bin/sh", append([]string{"-c", `ulimit -n 16 && exec "$0" "$@"`, m.tool(c[0])}, c[1:]...)...)
			cmd.Env, cmd.Dir = append(m.command("lsmod").Env, fmt.Sprintf("GOMAXPROCS=%d", procs)), "/"
			if a := ask(t, cmd); a != plain[j] {
				t.Errorf("%d processors: %q: %+v; want %+v", procs, c, a, plain[j])
			}
		}
	}
}

// TestLimits: with any of these limits a tool gives its answer, or says in a sentence that it cannot; and the tables
// and the image of before are whole.
func TestLimits(t *testing.T) {
	m := newMachine(t)
	plain := m.plain(t)
	tables, image := m.tables(t), contents(t, m.dir+"/out")
	count := 0
	for i, limit := range limits {
		if i%3 != 0 && long(1, 0) == 0 {
			continue
		}
		var user *syscall.SysProcAttr
		if strings.HasPrefix(limit, "-p") {
			// Root has as many threads as it likes. Another user has none yet, and cannot write the tables.
			if syscall.Geteuid() != 0 {
				continue
			}
			user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
		}
		for j, c := range m.commands() {
			script := "ulimit " + limit + ` || exit 99; exec "$0" "$@"`
			cmd := exec.Command("/bin/sh", append([]string{"-c", script, m.tool(c[0])}, c[1:]...)...)
			cmd.Env, cmd.Dir, cmd.SysProcAttr = m.command("lsmod").Env, "/", user
			a := ask(t, cmd)
			if a.status == 99 {
				continue // the caller has less already
			}
			count++
			if err := a.sound(plain[j]); err != nil {
				t.Errorf("ulimit %s: %q: %v", limit, c, err)
			}
		}
		if got := m.tables(t); !sameFiles(got, tables) {
			t.Errorf("ulimit %s: the tables are others", limit)
		}
		if got := contents(t, m.dir+"/out"); !sameFiles(got, image) {
			t.Errorf("ulimit %s: the image is another", limit)
		}
	}
	t.Logf("%d answers", count)
}

// sameFiles reports whether two folders have the same files.
func sameFiles(a, b map[string]string) bool {
	for name, data := range a {
		if other, ok := b[name]; !ok || other != data {
			return false
		}
	}
	return len(a) == len(b)
}
