package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// debian holds the scripts of the package.
//
//go:embed debian
var debian embed.FS

// writeDebs makes a Debian package for each target that Debian has. Its files have names that kmod's have not, so that
// both can be installed; gomodprobe-switch, which is in the package, makes modprobe and the others mean ours.
func writeDebs(ctx context.Context, r *release) error {
	for _, b := range r.binaries {
		if b.target.debian == "" {
			continue
		}
		files, err := debTree(r, b)
		if err != nil {
			return err
		}
		stage, err := os.MkdirTemp("", "gomodprobe-deb-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(stage)
		if err := os.Chmod(stage, 0o755); err != nil {
			return err
		}
		if err := files.unpack(stage, r.time); err != nil {
			return err
		}
		to := filepath.Join(r.out, fmt.Sprintf("gomodprobe_%s_%s.deb", r.debian(), b.target.debian))
		cmd := exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, to)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.time.Unix(), 10))
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("dpkg-deb: %w\n%s", err, text)
		}
		fmt.Println(filepath.Base(to))
	}
	return nil
}

// debTree is the content of a package, its control files in DEBIAN included.
func debTree(r *release, b binary) (tree, error) {
	const program = "usr/sbin/gomodprobe"
	files := tree{"usr/share/doc/gomodprobe/copyright": {mode: 0o644, data: copyright(r)}}
	if err := files.add(program, b.path, 0o755); err != nil {
		return nil, err
	}
	if err := files.add("usr/libexec/gomodprobe-boot", b.boot, 0o755); err != nil {
		return nil, err
	}
	for _, name := range goNames()[1:] {
		files["usr/sbin/"+name] = entry{link: "gomodprobe"}
	}
	delete(files, "usr/sbin/gokmod")
	files["usr/bin/gokmod"] = entry{link: "../sbin/gomodprobe"}
	files["usr/bin/golsmod"] = entry{link: "../sbin/gomodprobe"}
	if err := debOwn(files); err != nil {
		return nil, err
	}
	if err := debDocs(files, r); err != nil {
		return nil, err
	}
	if err := addHooks(files, r, "usr/share/gomodprobe/hooks"); err != nil {
		return nil, err
	}
	files["DEBIAN/control"] = entry{mode: 0o644, data: control(r, b, files)}
	return files, nil
}

// debOwn adds what only the package has: the switch with its page, the script that runs before a removal, and the
// reasons for what lintian finds.
func debOwn(files tree) error {
	for name, to := range map[string]string{
		"gomodprobe-switch": "usr/sbin/gomodprobe-switch", "prerm": "DEBIAN/prerm",
		"gomodprobe-switch.8": "usr/share/man/man8/gomodprobe-switch.8.gz",
		"lintian-overrides":   "usr/share/lintian/overrides/gomodprobe",
	} {
		data, err := debian.ReadFile("debian/" + name)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(to, ".gz"):
			files[to] = entry{mode: 0o644, data: compress(data)}
		case name == "lintian-overrides":
			files[to] = entry{mode: 0o644, data: data}
		default:
			files[to] = entry{mode: 0o755, data: data}
		}
	}
	return nil
}

// debChangelog is the one entry of Debian's changelog; what changed stands in CHANGELOG.md.
func debChangelog(r *release) []byte {
	return fmt.Appendf(nil, `gomodprobe (%s) unstable; urgency=medium

  * Built from the commit of %s.
    What changed is in CHANGELOG.md beside this file.

 -- The gomodprobe authors <gomodprobe@users.noreply.github.com>  %s
`, r.debian(), r.time.Format(time.DateTime), r.time.Format(time.RFC1123Z))
}

// debDocs adds man pages, completions and texts.
func debDocs(files tree, r *release) error {
	manuals, err := filepath.Glob(filepath.Join(r.root, "docs/man/*.[58]"))
	if err != nil {
		return err
	}
	for _, page := range manuals {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		name := filepath.Base(page)
		if !strings.HasPrefix(name, "go") {
			name = "go" + name
		}
		dir := "usr/share/man/man" + name[len(name)-1:]
		files[path.Join(dir, name+".gz")] = entry{mode: 0o644, data: compress(text)}
	}
	const bash = "usr/share/bash-completion/completions/"
	if err := files.add(bash+"gomodprobe", filepath.Join(r.root, "docs/completions/gomodprobe.bash"),
		0o644); err != nil {
		return err
	}
	const fish = "usr/share/fish/vendor_completions.d/"
	for _, name := range goNames()[1:] {
		files[bash+name] = entry{link: "gomodprobe"}
		files[fish+name+".fish"] = entry{link: "gomodprobe.fish"}
	}
	if err := files.add("usr/share/zsh/vendor-completions/_gomodprobe",
		filepath.Join(r.root, "docs/completions/_gomodprobe"), 0o644); err != nil {
		return err
	}
	if err := files.add(fish+"gomodprobe.fish", filepath.Join(r.root, "docs/completions/gomodprobe.fish"),
		0o644); err != nil {
		return err
	}
	files["usr/share/doc/gomodprobe/changelog.gz"] = entry{mode: 0o644, data: compress(debChangelog(r))}
	return pages(files, r, "usr/share/doc/gomodprobe")
}

// control is the package's description for dpkg.
func control(r *release, b binary, files tree) []byte {
	size := 0
	for _, e := range files {
		size += (len(e.data) + 1023) / 1024
	}
	return fmt.Appendf(nil, `Package: gomodprobe
Version: %s
Architecture: %s
Maintainer: The gomodprobe authors <gomodprobe@users.noreply.github.com>
Installed-Size: %d
Section: admin
Priority: optional
Homepage: https://github.com/gomodprobe/gomodprobe
Description: kernel module tools in one static binary
 modprobe, depmod, modinfo, insmod, rmmod and lsmod that behave as kmod's do,
 go on where those give up, and say why a module does not load.
 .
 They are installed beside kmod with "go" in front of their names.
 gomodprobe-switch makes modprobe and the others mean these, and back.
`, r.debian(), b.target.debian, size)
}

// copyright is the text that goes with the program: our licence and those of what is linked in.
func copyright(r *release) []byte {
	own, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		own = []byte("BSD-3-Clause\n")
	}
	return fmt.Appendf(nil, "gomodprobe\n\n%s\n%s\n%s", own, strings.Repeat("-", 72), r.thanks)
}
