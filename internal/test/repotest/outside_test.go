package repotest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// outside makes a module of its own in a temporary folder, which finds ours by a replace directive.
func outside(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	repo, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(ours), "\n")
	write(t, dir, "go.mod", "module example.org/outside\n"+rest+
		"\nrequire github.com/gomodprobe/gomodprobe v0.0.0\n\nreplace github.com/gomodprobe/gomodprobe => "+repo+"\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "go.sum", string(sums))
	return dir
}

// write writes a file and the folders above it.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// snippets returns the blocks of Go in a page.
func snippets(t *testing.T, page string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no Go in it", page)
	}
	return blocks
}

// TestOutside: a module outside of this one, which may use public packages only, vets and tests what we show: the
// examples of all packages, README's snippet, and the programs of docs/migrating.md.
func TestOutside(t *testing.T) {
	dir := outside(t)
	examples, err := filepath.Glob(filepath.Join(root, "*/example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(filepath.Join(root, "*/*/example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	examples = append(examples, deeper...)
	if len(examples) < 6 {
		t.Fatalf("only %d files of examples: %q", len(examples), examples)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, filepath.Join("examples", to), string(text))
	}
	for i, block := range snippets(t, "README.md") {
		write(t, dir, filepath.Join("readme", string(rune('a'+i)), "main.go"), `package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

func main() {
	ctx := context.Background()
	`+block+`
	log.Print(err)
}
`)
	}
	for i, block := range snippets(t, "docs/migrating.md") {
		write(t, dir, filepath.Join("migrating", string(rune('a'+i)), "main.go"), block)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
