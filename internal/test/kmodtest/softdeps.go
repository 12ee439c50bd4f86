package kmodtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// MergedSoftdeps writes a file for modprobe -C: of each module that has several lines of soft dependencies, all in one
// line. kmod takes the first line for a module, ours takes all (docs/differences.md); with this file both have to do
// the same.
func MergedSoftdeps(t testing.TB, dir, release string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, "modules.softdep"))
	if err != nil {
		t.Fatal(err)
	}
	lines, pre, post := map[string]int{}, map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "softdep" {
			continue
		}
		lines[words[1]]++
		list := map[string][]string(nil)
		for _, word := range words[2:] {
			switch word {
			case "pre:":
				list = pre
			case "post:":
				list = post
			default:
				if list != nil { // else kmod passes over it, too
					list[words[1]] = append(list[words[1]], word)
				}
			}
		}
	}
	var text []string
	for name, n := range lines {
		if n > 1 {
			text = append(text, fmt.Sprintf("softdep %s pre: %s post: %s\n", name,
				strings.Join(pre[name], " "), strings.Join(post[name], " ")))
		}
	}
	slices.Sort(text)
	file := filepath.Join(t.TempDir(), "0.conf") // sorts before modules.softdep
	if err := os.WriteFile(file, []byte(strings.Join(text, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
