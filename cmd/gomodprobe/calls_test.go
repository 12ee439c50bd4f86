package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestCalls: each command line of docs/calls.md is tested under its number in the script that the page names.
func TestCalls(t *testing.T) {
	page, err := os.ReadFile("../../docs/calls.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for section := range strings.SplitSeq(string(page), "\n## ") {
		m := regexp.MustCompile(`\((use-\w+\.txtar)\)\n`).FindStringSubmatch(section)
		if m == nil {
			continue
		}
		script, err := os.ReadFile(filepath.Join("testdata/script", m[1]))
		if err != nil {
			t.Fatal(err)
		}
		tested := scriptNumbers(string(script))
		for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(section, -1) {
			count++
			if n, _ := strconv.Atoi(row[1]); n != count {
				t.Errorf("row %s of docs/calls.md should be %d", row[1], count)
			}
			if !tested[row[1]] {
				t.Errorf("%s has no test of command line %s", m[1], row[1])
			}
		}
	}
	if count != 118 {
		t.Errorf("docs/calls.md has %d command lines, want 118", count)
	}
}

// scriptNumbers returns the numbers at the beginning of comments that a command comes after: "# 3, 4: text".
func scriptNumbers(script string) map[string]bool {
	numbers := map[string]bool{}
	body, _, _ := strings.Cut(script, "\n-- ")
	for line := range strings.Lines(body) {
		list := regexp.MustCompile(`^# (\d+(?:(?:, | and )\d+)*)(?::|$| )`).FindStringSubmatch(strings.TrimSpace(line))
		if list == nil {
			continue
		}
		for _, n := range regexp.MustCompile(`\d+`).FindAllString(list[1], -1) {
			numbers[n] = true
		}
	}
	return numbers
}
