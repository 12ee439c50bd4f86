package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

const manDir = "../../docs/man"

// manPages says which calls print the help that a page of section 8 must agree with.
var manPages = []struct {
	page  string
	calls [][]string
}{
	{"modprobe.8", [][]string{{"modprobe", "--help"}}},
	{"depmod.8", [][]string{{"depmod", "--help"}}},
	{"modinfo.8", [][]string{{"modinfo", "--help"}}},
	{"insmod.8", [][]string{{"insmod", "--help"}}},
	{"rmmod.8", [][]string{{"rmmod", "--help"}}},
	{"lsmod.8", [][]string{{"lsmod", "--help"}}},
	{"kmod.8", [][]string{{"kmod", "--help"}, {"kmod", "static-nodes", "--help"}}},
	{"goinitramfs.8", [][]string{{"goinitramfs", "--help"}}},
}

// TestManOptions: a page lists the options that --help lists, no more and no fewer.
func TestManOptions(t *testing.T) {
	for _, m := range manPages {
		t.Run(m.page, func(t *testing.T) {
			page, err := os.ReadFile(filepath.Join(manDir, m.page))
			if err != nil {
				t.Fatal(err)
			}
			var help strings.Builder
			for _, call := range m.calls {
				help.WriteString(helpText(t, call))
			}
			if d := cmp.Diff(helpOptions(help.String()), pageOptions(string(page))); d != "" {
				t.Errorf("options in --help (-) and in docs/man/%s (+):\n%s", m.page, d)
			}
		})
	}
}

// helpText runs a tool in this process and returns what it prints.
func helpText(t *testing.T, call []string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := cli.System()
	env.Args, env.Stdout, env.Stderr = call, &stdout, &stderr
	if status := tool.Main(env); status != 0 {
		t.Fatalf("%s: status %d: %s", strings.Join(call, " "), status, &stderr)
	}
	return stdout.String()
}

// helpOption is an option in running text.
var helpOption = regexp.MustCompile(`(?m)(?:^|[\s,|\[(/])(--[a-z][a-z-]*|-[A-Za-z0-9])`)

func helpOptions(text string) []string {
	var list []string
	for _, m := range helpOption.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// pageOptions returns the options that have an entry of their own in a page.
func pageOptions(page string) []string {
	var list []string
	for line := range strings.Lines(page) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != ".It" {
			continue
		}
		for i := 1; i+1 < len(words); i++ {
			if words[i] != "Fl" {
				continue
			}
			if words[i+1] == "Fl" {
				list = append(list, "--"+words[i+2])
				i += 2
			} else {
				list = append(list, "-"+words[i+1])
				i++
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestManLint: the pages have no warnings, by whichever of mandoc and man is here, and refer to pages that exist.
func TestManLint(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(manDir, "*.[58]"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages in %s, want at least 10 (%v)", len(pages), manDir, err)
	}
	linters := [][]string{
		{"mandoc", "-T", "lint", "-W", "warning"},
		{"man", "--warnings", "-E", "UTF-8", "-l"},
	}
	ours := map[string]bool{"tmpfiles.d 5": true}
	for _, page := range pages {
		base := filepath.Base(page)
		ours[base[:len(base)-2]+" "+base[len(base)-1:]] = true
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Xr (\S+) ([1-8])`).FindAllStringSubmatch(string(text), -1) {
			if !ours[m[1]+" "+m[2]] {
				t.Errorf("%s refers to %s(%s), which is not here", page, m[1], m[2])
			}
		}
		for _, lint := range linters {
			kmodtest.Programs(t, lint[0])
			cmd := exec.Command(lint[0], append(lint[1:], page)...)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if lint[0] == "mandoc" {
				stderr.Write(stdout.Bytes())
			}
			if err != nil || stderr.Len() > 0 {
				t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, &stderr)
			}
		}
	}
}
