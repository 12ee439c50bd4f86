package repotest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gomodprobe/gomodprobe"

// goList returns what go list says about packages; args come before the patterns.
func goList(t *testing.T, env []string, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

// directions reads the table in ARCHITECTURE.md: package, what it may use, what it is.
func directions(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(root + "/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Directions\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(section, -1)
	all := make(map[string][]string)
	for _, row := range rows {
		uses := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1)
		all[row[1]] = []string{}
		for _, u := range uses {
			all[row[1]] = append(all[row[1]], u[1])
		}
	}
	if len(all) < 10 {
		t.Fatalf("ARCHITECTURE.md has %d rows of directions", len(all))
	}
	return all
}

// row returns the row a package falls under: its own, or cmd/* for the commands.
func row(rows map[string][]string, pkg string) (uses []string, name string) {
	if uses, ok := rows[pkg]; ok {
		return uses, pkg
	}
	if path.Dir(pkg) == "cmd" {
		return rows["cmd/*"], "cmd/*"
	}
	return nil, ""
}

func TestDirections(t *testing.T) {
	rows := directions(t)
	seen := make(map[string]bool)
	for _, env := range [][]string{{"GOOS=linux", "GOARCH=amd64"}, {"GOOS=darwin", "GOARCH=arm64"}} {
		for _, p := range goList(t, env, "-json=ImportPath,Imports", "./...") {
			pkg := strings.TrimPrefix(p.ImportPath, module+"/")
			uses, name := row(rows, pkg)
			if name == "" {
				t.Errorf("%s has no row in ARCHITECTURE.md", pkg)
			}
			seen[name] = true
			for _, im := range p.Imports {
				im, ours := strings.CutPrefix(im, module+"/")
				if ours && name != "" && !slices.Contains(uses, im) {
					t.Errorf("%s may not use %s: its row in ARCHITECTURE.md allows %v", pkg, im, uses)
				}
			}
		}
	}
	for name, uses := range rows {
		if !seen[name] {
			t.Errorf("ARCHITECTURE.md has a row for %s, which does not exist", name)
		}
		for _, u := range uses {
			if _, ok := rows[u]; !ok {
				t.Errorf("the row of %s names %s, which has no row", name, u)
			}
			if strings.HasSuffix(u, "test") && !strings.HasSuffix(name, "test") && !strings.HasSuffix(name, "guest") &&
				name != "initramfs/demo" {
				t.Errorf("%s is for tests only; %s may not use it", u, name)
			}
		}
	}
}

// TestBinaryImports keeps cgo and the network out of the binary: it is static, and opens no connections.
func TestBinaryImports(t *testing.T) {
	forbidden := []string{"runtime/cgo", "net", "net/http"}
	for _, p := range goList(t, []string{"CGO_ENABLED=1", "GOOS=linux"}, "-deps", "-json=ImportPath,Imports", "./cmd/gomodprobe") {
		if slices.Contains(forbidden, p.ImportPath) {
			t.Errorf("the binary has %s in it", p.ImportPath)
		}
	}
}
