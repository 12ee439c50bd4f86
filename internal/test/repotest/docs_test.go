package repotest_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinks: links between our pages lead to files, and to headings, that exist.
func TestLinks(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	odd := regexp.MustCompile(`[^a-z0-9_ -]`)
	count := 0
	for _, page := range files(t) {
		if path.Ext(page) != ".md" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(page), -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, ":") {
				continue
			}
			count++
			to = path.Join(path.Dir(page), to)
			if m[1][0] == '#' {
				to = page
			}
			info, err := os.Stat(filepath.Join(root, to))
			if err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
				continue
			}
			if anchor == "" || info.IsDir() {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(read(to), -1) {
				anchors = append(anchors, strings.ReplaceAll(odd.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
			}
			if !slices.Contains(anchors, anchor) {
				t.Errorf("%s: %s has no heading #%s", page, to, anchor)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d links were looked at", count)
	}
}
