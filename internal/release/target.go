package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A target is an architecture that gomodprobe is released for.
type target struct {
	name    string // in file names
	env     string // what go build needs in its environment besides GOOS, separated by blanks
	debian  string // Debian's name for it; "" makes no package
	variant string // OCI's variant of GOARCH
}

// targets is every architecture, the usual ones first.
var targets = []target{
	{"amd64", "GOARCH=amd64", "amd64", ""},
	{"arm64", "GOARCH=arm64", "arm64", ""},
	{"armv7", "GOARCH=arm GOARM=7", "armhf", "v7"},
	{"armv6", "GOARCH=arm GOARM=6", "", "v6"},
	{"386", "GOARCH=386", "i386", ""},
	{"riscv64", "GOARCH=riscv64", "riscv64", ""},
	{"ppc64le", "GOARCH=ppc64le", "ppc64el", ""},
	{"s390x", "GOARCH=s390x", "s390x", ""},
	{"mips64le", "GOARCH=mips64le", "mips64el", ""},
	{"loong64", "GOARCH=loong64", "loong64", ""},
}

func targetNames() string {
	var names []string
	for _, t := range targets {
		names = append(names, t.name)
	}
	return strings.Join(names, " ")
}

// goarch is the value of GOARCH.
func (t target) goarch() string {
	arch, _, _ := strings.Cut(strings.TrimPrefix(t.env, "GOARCH="), " ")
	return arch
}

// build compiles gomodprobe, static and stripped, with these build tags.
func (t target) build(ctx context.Context, root, to, tags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-tags="+tags,
		"-ldflags=-s -w -buildid=", "-o", to, "./cmd/gomodprobe")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOAMD64=v1")
	cmd.Env = append(cmd.Env, strings.Fields(t.env)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s: %w\n%s", t.name, err, text)
	}
	return nil
}
