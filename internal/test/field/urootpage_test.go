//go:build linux

package field_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestUrootPage follows docs/u-root.md: its commands, but for the downloads, make an image that has our commands, and
// a link for the kernel.
func TestUrootPage(t *testing.T) {
	field(t)
	u := newUroot(t)
	text, err := os.ReadFile("../../../docs/u-root.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n"
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	// newUroot has u-root's sources and the workspace already; the version is that of go.mod.
	script = regexp.MustCompile(`(?m)^git clone .*u-root/u-root$`).ReplaceAllString(script, "rm go.work")
	script = regexp.MustCompile(`(?m)^git clone .*gomodprobe$`).ReplaceAllString(script, "ln -s "+u.self+" gomodprobe")
	if strings.Contains(script, "git clone") || !strings.Contains(script, "-o image.cpio") {
		t.Fatalf("the page's commands:\n%s", script)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = u.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	list := exec.Command("cpio", "-it", "--quiet", "-F", filepath.Join(u.dir, "image.cpio"))
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	for _, want := range strings.Fields("bbin/modprobe bbin/depmod bbin/modinfo bbin/insmod bbin/rmmod bbin/lsmod bbin/gosh sbin/modprobe") {
		if !slices.Contains(names, want) {
			t.Errorf("the image has no %s", want)
		}
	}
	proved(t, "the commands of docs/u-root.md make an image with our six commands")
}
