package repotest_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

// TestWidth: README.md can be read in a terminal of 110 columns, in two minutes; prose of all pages ends before column
// 120. Examples, tables and headings may be wider.
func TestWidth(t *testing.T) {
	for _, name := range files(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if name == "README.md" && len(lines) > 150 {
			t.Errorf("README.md has %d lines, more than 150", len(lines))
		}
		example := false
		for i, line := range lines {
			if strings.HasPrefix(line, "```") {
				example = !example
			}
			limit := 120
			switch {
			case name == "README.md":
				limit = 110
			case example, strings.HasPrefix(line, "    "), strings.HasPrefix(line, "|"), strings.HasPrefix(line, "#"):
				continue
			}
			if n := utf8.RuneCountInString(line); n > limit {
				t.Errorf("%s:%d has %d columns, more than %d", name, i+1, n, limit)
			}
		}
	}
}
