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
		for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (.*)`).FindAllStringSubmatch(section, -1) {
			count++
			if n, _ := strconv.Atoi(row[1]); n != count {
				t.Errorf("row %s of docs/calls.md should be %d", row[1], count)
			}
			if !tested[row[1]] && !strings.HasPrefix(row[2], "(no command)") {
				t.Errorf("%s has no test of command line %s", m[1], row[1])
			}
		}
	}
	if count != 118 {
		t.Errorf("docs/calls.md has %d command lines, want 118", count)
	}
}

// scriptNumbers returns the numbers at the beginning of comments, "# 3, 4: text", that a call of a tool comes after,
// before the next such comment.
func scriptNumbers(script string) map[string]bool {
	comment := regexp.MustCompile(`^# (\d+(?:(?:, | and )\d+)*)(?::|$| )`)
	call := regexp.MustCompile(`^(\[shell\] )?(! |\? )?(oracle|modprobe|depmod|modinfo|insmod|rmmod|lsmod|kmod) `)
	numbers := map[string]bool{}
	var of []string // the comment
	body, _, _ := strings.Cut(script, "\n-- ")
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line) + " "
		if list := comment.FindStringSubmatch(line); list != nil {
			of = regexp.MustCompile(`\d+`).FindAllString(list[1], -1)
		}
		if call.MatchString(line) {
			for _, n := range of {
				numbers[n] = true
			}
		}
	}
	return numbers
}
