package repotest_test

import (
	"flag"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw docs/pictures anew")

// TestPictures: the picture in README.md is drawn from a transcript of docs/tour.md, which a guest has printed.
// "make pictures" draws it anew.
func TestPictures(t *testing.T) {
	tour, err := os.ReadFile(filepath.Join(root, "docs/tour.md"))
	if err != nil {
		t.Fatal(err)
	}
	const command = "modprobe --check ./nbd.ko"
	_, after, ok := strings.Cut(string(tour), "\n    $ "+command+"\n")
	if !ok {
		t.Fatalf("docs/tour.md has no example %q", command)
	}
	lines := []string{"$ " + command}
	for line := range strings.SplitSeq(after, "\n") {
		text, ok := strings.CutPrefix(line, "    ")
		if !ok || strings.HasPrefix(text, "$ ") {
			break
		}
		lines = append(lines, text)
	}
	want := drawTerminal(lines)
	name := filepath.Join(root, "docs/pictures/check.svg")
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("docs/pictures/check.svg is not what docs/tour.md says (%v); make pictures draws it anew", err)
	}
}

// Measures of a picture, in pixels, and how many characters a line holds.
const (
	columns    = 96
	charWidth  = 8.43
	lineHeight = 19
	margin     = 16
)

// drawTerminal draws lines as a terminal shows them: light on dark, long lines wrapped at words, verdicts in colour.
func drawTerminal(lines []string) string {
	var wrapped []string
	for _, line := range lines {
		wrapped = append(wrapped, wrapLine(line, columns)...)
	}
	width, height := int(math.Ceil(columns*charWidth))+2*margin, len(wrapped)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%[1]d\" height=\"%[2]d\" role=\"img\">\n", width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(strings.TrimPrefix(lines[0], "$ ")))
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#1c1f26\"/>\n", width, height)
	b.WriteString("<g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" fill=\"#d8dee9\" xml:space=\"preserve\">\n")
	for i, line := range wrapped {
		text := html.EscapeString(line)
		text = verdictWords.ReplaceAllStringFunc(text, func(word string) string {
			return fmt.Sprintf("<tspan font-weight=\"bold\" fill=\"%s\">%s</tspan>", verdictColours[word], word)
		})
		if strings.HasPrefix(text, "$ ") {
			text = "<tspan fill=\"#88c0d0\">$</tspan>" + text[1:]
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", margin, margin+14+i*lineHeight, text)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

var (
	verdictWords   = regexp.MustCompile(`\b(LOADS|TAINTS|FAILS|UNKNOWN)\b`)
	verdictColours = map[string]string{"LOADS": "#a3be8c", "TAINTS": "#ebcb8b", "FAILS": "#f0707a", "UNKNOWN": "#ebcb8b"}
)

// wrapLine breaks a line at blanks so that no part is longer than width; the parts after the first are indented by two
// more than the line.
func wrapLine(line string, width int) (parts []string) {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	for len(line) > width {
		at := strings.LastIndexByte(line[:width+1], ' ')
		if at <= len(indent) {
			at = width
		}
		parts = append(parts, strings.TrimRight(line[:at], " "))
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	return append(parts, line)
}
