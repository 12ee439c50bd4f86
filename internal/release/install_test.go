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
// somewhere, and what is installed runs; the usual names come with LINKS=1, in place of nobody else's; make uninstall
// leaves what it has found.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	kmodtest.Programs(t, "make")
	dir := filepath.Join(t.TempDir(), "a folder")
	bin := t.TempDir()
	theirs := filepath.Join(dir, "usr/bin/true")
	for _, err := range []error{os.MkdirAll(filepath.Dir(theirs), 0o755), os.WriteFile(theirs, nil, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(target string, more ...string) {
		t.Helper()
		cmd := exec.Command("make",
			append([]string{"-C", "../..", target, "BIN=" + bin, "DESTDIR=" + dir, "PREFIX=/usr"},
				more...)...)
		// The variables of a make that runs this test are not for the one started here.
		cmd.Env = slices.DeleteFunc(os.Environ(),
			func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	run("install")
	want := installed(t, "go")
	if d := cmp.Diff(want, filesBelow(t, dir)); d != "" {
		t.Errorf("installed (-want +got):\n%s", d)
	}
	run("install", "LINKS=1")
	both := append(installed(t, ""), want...)
	slices.Sort(both)
	if d := cmp.Diff(slices.Compact(both), filesBelow(t, dir)); d != "" {
		t.Errorf("installed with LINKS=1 (-want +got):\n%s", d)
	}
	for _, tool := range strings.Fields("sbin/gomodprobe sbin/godepmod sbin/modprobe sbin/goinitramfs bin/lsmod " +
		"bin/gokmod libexec/gomodprobe-boot") {
		if out, err := exec.Command(filepath.Join(dir, "usr", tool), "-V").CombinedOutput(); err != nil ||
			!strings.Contains(string(out), "\ngomodprobe ") {
			t.Errorf("%s -V: %v\n%s", tool, err, out)
		}
	}
	run("uninstall")
	if d := cmp.Diff([]string{"usr/bin/true"}, filesBelow(t, dir)); d != "" {
		t.Errorf("left by make uninstall (-want +got):\n%s", d)
	}
	if err := os.Rename(theirs, filepath.Join(dir, "usr/bin/lsmod")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "internal/release/install.sh", "install", bin, "/usr", dir, "1")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out),
		"usr/bin/lsmod is there and is not ours") {
		t.Errorf("over another's lsmod: %v\n%s", err, out)
	}
}

// installed are the files of make install, and the file that was there before, by what stands before the tools' names.
func installed(t *testing.T, before string) []string {
	t.Helper()
	want := []string{
		"usr/bin/true", "usr/sbin/gomodprobe", "usr/libexec/gomodprobe-boot",
		"usr/share/zsh/site-functions/_gomodprobe",
		"usr/share/bash-completion/completions/gomodprobe",
		"usr/share/fish/vendor_completions.d/gomodprobe.fish",
		"usr/share/gomodprobe/hooks/luks/list", "usr/share/gomodprobe/hooks/luks/before-mount.d/10-luks",
		"usr/share/gomodprobe/hooks/lvm/list", "usr/share/gomodprobe/hooks/lvm/before-mount.d/20-lvm",
	}
	for _, tool := range strings.Fields("sbin/modprobe sbin/depmod sbin/modinfo sbin/insmod sbin/rmmod bin/lsmod " +
		"bin/kmod sbin/goinitramfs") {
		folder, name := path.Split(tool)
		if name != "goinitramfs" {
			name = before + name
		}
		want = append(want, "usr/"+folder+name, "usr/share/bash-completion/completions/"+name,
			"usr/share/fish/vendor_completions.d/"+name+".fish")
	}
	for _, page := range manPages(t) {
		folder := "usr/share/man/man" + page[len(page)-1:] + "/"
		want = append(want, folder+"go"+strings.TrimPrefix(page, "go"))
		if before == "" {
			want = append(want, folder+page)
		}
	}
	slices.Sort(want)
	return slices.Compact(want)
}

// filesBelow are the files of a folder, each of which leads somewhere.
func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names = append(names, name)
		_, err = os.Stat(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
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
	want := []string{"DEBIAN/control", "DEBIAN/prerm", "usr/libexec/gomodprobe-boot", "usr/bin/gokmod",
		"usr/bin/golsmod", "usr/sbin/gomodprobe-switch", "usr/share/man/man8/gomodprobe-switch.8.gz",
		"usr/share/lintian/overrides/gomodprobe", "usr/share/zsh/vendor-completions/_gomodprobe"}
	for _, name := range goNames() {
		if name != "gokmod" {
			want = append(want, "usr/sbin/"+name)
		}
		want = append(want, "usr/share/bash-completion/completions/"+name,
			"usr/share/fish/vendor_completions.d/"+name+".fish")
	}
	for _, page := range manPages(t) {
		want = append(want, "usr/share/man/man"+page[len(page)-1:]+"/go"+strings.TrimPrefix(page, "go")+".gz")
	}
	hooks, err := filepath.Glob("../../initramfs/hooks/*/*.d/*")
	lists, listsErr := filepath.Glob("../../initramfs/hooks/*/list")
	if err != nil || listsErr != nil || len(hooks) < 2 || len(lists) < 2 {
		t.Fatalf("hooks %q %q", hooks, lists)
	}
	for _, hook := range append(hooks, lists...) {
		want = append(want, "usr/share/gomodprobe/hooks/"+strings.TrimPrefix(filepath.ToSlash(hook), "../../initramfs/hooks/"))
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
