package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestInstall: make install puts programs, man pages and completions where they are looked for, every link leads
// somewhere, and what is installed runs.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	kmodtest.Programs(t, "make")
	dir := filepath.Join(t.TempDir(), "a folder")
	cmd := exec.Command("make", "-C", "../..", "install", "BIN="+t.TempDir(), "DESTDIR="+dir, "PREFIX=/usr")
	// The variables of a make that runs this test are not for the one started here.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	var got []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got = append(got, name)
		_, err = os.Stat(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tools := strings.Fields("gomodprobe modprobe depmod modinfo insmod rmmod lsmod kmod goinitramfs")
	want := []string{"usr/libexec/gomodprobe-boot", "usr/share/zsh/site-functions/_gomodprobe"}
	for _, tool := range tools {
		want = append(want, "usr/bin/"+tool, "usr/share/bash-completion/completions/"+tool, "usr/share/fish/vendor_completions.d/"+tool+".fish")
	}
	for _, page := range manPages(t) {
		want = append(want, path.Join("usr/share/man/man"+page[len(page)-1:], page))
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("installed (-want +got):\n%s", d)
	}
	for _, tool := range append(tools, "../libexec/gomodprobe-boot") {
		if out, err := exec.Command(filepath.Join(dir, "usr/bin", tool), "-V").CombinedOutput(); err != nil || !strings.Contains(string(out), "(gomodprobe ") {
			t.Errorf("%s -V: %v\n%s", tool, err, out)
		}
	}
}

// manPages are the names of our man pages.
func manPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/man/*.[58]")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d man pages, %v", len(pages), err)
	}
	for i, page := range pages {
		pages[i] = filepath.Base(page)
	}
	return pages
}

// TestDebTree: the package has everything that make install installs, under the names that go beside kmod's.
func TestDebTree(t *testing.T) {
	r := sample(t)
	files, err := debTree(r, r.binaries[0])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"DEBIAN/control", "DEBIAN/prerm", "usr/libexec/gomodprobe-boot", "usr/bin/gokmod", "usr/bin/golsmod", "usr/sbin/gomodprobe-switch", "usr/share/zsh/vendor-completions/_gomodprobe"}
	for _, name := range goNames() {
		if name != "gokmod" {
			want = append(want, "usr/sbin/"+name)
		}
		want = append(want, "usr/share/bash-completion/completions/"+name, "usr/share/fish/vendor_completions.d/"+name+".fish")
	}
	for _, page := range manPages(t) {
		want = append(want, "usr/share/man/man"+page[len(page)-1:]+"/go"+strings.TrimPrefix(page, "go")+".gz")
	}
	for name, e := range files {
		if e.link != "" {
			if _, ok := files[path.Join(path.Dir(name), e.link)]; !ok {
				t.Errorf("%s leads to %s, which is not there", name, e.link)
			}
		}
	}
	var got []string
	for name := range files {
		if !strings.HasPrefix(name, "usr/share/doc/") {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files of the package (-want +got):\n%s", d)
	}
}
