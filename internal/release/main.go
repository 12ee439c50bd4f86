// Command release makes what people install: archives for every architecture with checksums and a bill of
// materials, Debian packages, and a container image as an OCI layout.
//
//	go run ./internal/release [-o DIR] [-arch LIST] archives|deb|oci ...
//
// The same commit and Go version give the same bytes: paths are trimmed, files sorted, and every time is that of the
// commit (or SOURCE_DATE_EPOCH). It needs go and, for deb, dpkg-deb; no container engine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	out := flag.String("o", "dist", "the folder that gets the files")
	arch := flag.String("arch", "",
		"architectures, comma-separated, such as amd64,armv7; host is this one (default all)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: release [-o DIR] [-arch LIST] archives|deb|oci ...")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *arch, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A release is what all products have in common.
type release struct {
	out      string    // where the products go
	root     string    // the folder of go.mod
	version  string    // of semver.org; that of a snapshot ends with -gitDATE.COMMIT
	time     time.Time // of every file
	binaries []binary
	thanks   []byte // the licences of what is linked in
}

// A binary is gomodprobe built for one target.
type binary struct {
	target target
	path   string // everything
	boot   string // the smaller one for boot images
}

// product returns what makes a product, nil if there is none of this name.
func product(name string) func(context.Context, *release) error {
	switch name {
	case "archives":
		return writeArchives
	case "deb":
		return writeDebs
	case "oci":
		return writeImage
	}
	return nil
}

func run(ctx context.Context, out, arch string, names []string) error {
	if len(names) == 0 {
		names = []string{"archives"}
	}
	for _, name := range names {
		if product(name) == nil {
			return fmt.Errorf("unknown product %q; there are archives, deb and oci", name)
		}
	}
	chosen, err := choose(arch)
	if err != nil {
		return err
	}
	r, err := prepare(ctx, out)
	if err != nil {
		return err
	}
	build, err := os.MkdirTemp("", "gomodprobe-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build)
	for _, t := range chosen {
		b := binary{t, filepath.Join(build, t.name, "gomodprobe"),
			filepath.Join(build, t.name, "gomodprobe-boot")}
		if err := t.build(ctx, r.root, b.path, ""); err != nil {
			return err
		}
		if err := t.build(ctx, r.root, b.boot, "kmod_boot"); err != nil {
			return err
		}
		r.binaries = append(r.binaries, b)
	}
	if r.thanks, err = licences(ctx, r.root, r.binaries[0].path); err != nil {
		return err
	}
	for _, name := range names {
		if err := product(name)(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// choose returns the targets of these names, all of them for "".
func choose(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var chosen []target
	for _, name := range strings.Split(list, ",") {
		if name == "host" {
			if name = runtime.GOARCH; name == "arm" {
				name = "armv7"
			}
		}
		i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown architecture %q; there are %s", name, targetNames())
		}
		chosen = append(chosen, targets[i])
	}
	return chosen, nil
}

// prepare finds out version and time, and makes the folder.
func prepare(ctx context.Context, out string) (*release, error) {
	r := &release{out: out}
	mod, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	r.root = filepath.Dir(mod)
	if r.version, err = version(ctx, r.root); err != nil {
		return nil, err
	}
	stamp := os.Getenv("SOURCE_DATE_EPOCH")
	if stamp == "" {
		if stamp, err = output(ctx, r.root, "git", "log", "-1", "--format=%ct"); err != nil {
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("time of the release: %w", err)
	}
	r.time = time.Unix(seconds, 0).UTC()
	return r, os.MkdirAll(out, 0o755)
}

// version is the version of the commit that is built: what the program says of itself if the commit has that tag, and
// else a snapshot before it, such as 0.2.0-git20261130.abcdef0, which semver.org and dpkg (with ~ for -) sort first.
func version(ctx context.Context, root string) (string, error) {
	text, err := output(ctx, root, "go", "run", "./cmd/modinfo", "-V")
	if err != nil {
		return "", err
	}
	_, after, ok := strings.Cut(text, "\ngomodprobe ")
	v, _, _ := strings.Cut(after, ",")
	if !ok || v == "" {
		return "", fmt.Errorf("no version in %q", text)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return v, nil // an unpacked archive of the sources
	}
	tags, err := output(ctx, root, "git", "tag", "--points-at", "HEAD")
	if err != nil {
		return "", err
	}
	if slices.Contains(strings.Fields(tags), "v"+v) {
		return v, nil
	}
	commit, err := output(ctx, root, "git", "log", "-1", "--abbrev=7", "--date=format:%Y%m%d", "--format=%cd.%h")
	if err != nil {
		return "", err
	}
	return v + "-git" + commit, nil
}

// debian is the version as dpkg orders it: a snapshot is before its version.
func (r *release) debian() string { return strings.Replace(r.version, "-git", "~git", 1) }

// output runs a program and returns what it prints, without the last newline.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimRight(string(text), "\n"), nil
}
