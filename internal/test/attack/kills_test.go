//go:build linux

package attack

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignals kills tools at any time, by signals that they can and cannot catch. The tables are of the old or the new
// set and whole, the image is the old or the new one, and the next run leaves nothing of those before it.
func TestSignals(t *testing.T) {
	m := newMachine(t)
	m.plain(t)
	old := m.tables(t)
	extra := m.modules("kernel/m0.ko")
	data, err := os.ReadFile(extra)
	must(t, err)
	depmod := []string{"-b", m.root, release}
	build := m.commands()[13]
	images := map[string]bool{}
	image := func() string {
		data, err := os.ReadFile(m.image)
		must(t, err)
		return string(data)
	}
	images[image()] = true
	must(t, os.Remove(extra))
	must(t, m.command("depmod", depmod...).Run())
	changed := m.tables(t)
	if sameFiles(old, changed) {
		t.Fatal("both sets are the same: the test is none")
	}
	torn, lost, met := 0, 0, 0
	var lasts [2]time.Duration
	for i, c := range []*exec.Cmd{m.command("depmod", depmod...), m.command(build[0], build[1:]...)} {
		begin := time.Now()
		must(t, os.WriteFile(extra, data, 0o644), c.Run())
		lasts[i] = time.Since(begin)
	}
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE}
	kills := long(400, 40)
	for i := range kills {
		if i%2 == 0 {
			must(t, os.WriteFile(extra, data, 0o644))
		} else {
			os.Remove(extra)
		}
		met += killed(t, m.command("depmod", depmod...), signals[i%len(signals)], i, lasts[0])
		for name, text := range m.tables(t) {
			if !strings.HasPrefix(name, ".") && text != old[name] && text != changed[name] {
				torn++
				t.Errorf("kill %d: %s is of neither set", i, name)
			}
		}
		now := m.tables(t)
		for name := range old {
			if _, ok := now[name]; !ok {
				lost++
				t.Errorf("kill %d: %s is lost", i, name)
			}
		}
		if i%4 == 3 {
			met += killed(t, m.command(build[0], build[1:]...), signals[i%len(signals)], i, lasts[1])
			if !images[image()] {
				torn++
				t.Errorf("kill %d: the image is torn", i)
			}
		}
	}
	must(t, os.WriteFile(extra, data, 0o644))
	must(t, m.command("depmod", depmod...).Run(), m.command(build[0], build[1:]...).Run())
	if got := m.tables(t); !sameFiles(got, old) {
		t.Errorf("after the next run there are %d files, want %d", len(got), len(old))
	}
	if got := contents(t, m.dir+"/out"); len(got) != 1 || !images[got["image"]] {
		t.Errorf("after the next run there are %d images", len(got))
	}
	t.Logf("%d times a signal, which met the tool at work %d times: %d torn, %d lost", kills+kills/4, met, torn, lost)
	if met < kills/4 {
		t.Error("most tools had ended before they were killed: the test is none")
	}
}

// killed starts a tool, sends it a signal at some time while it runs, which takes it about so long, and returns 1 if it
// had not ended.
func killed(t *testing.T, cmd *exec.Cmd, signal syscall.Signal, n int, lasts time.Duration) int {
	t.Helper()
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	must(t, cmd.Start())
	time.Sleep(lasts * time.Duration(n*7919%1000) / 1000)
	cmd.Process.Signal(signal)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == 0 || code == 1 {
		return 0
	}
	return 1
}
