// Package clitest has what the tests of several commands do.
package clitest

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

// Help runs a command with --help, which must name every option that it takes, by both of the option's names, in lines
// of no more than 80 columns.
func Help(t *testing.T, run func(*cli.Env) int, command string, options []getopt.Option) {
	t.Helper()
	var help, stderr bytes.Buffer
	env := cli.System()
	env.Args, env.Stdout, env.Stderr = []string{command, "--help"}, &help, &stderr
	if status := run(env); status != 0 {
		t.Fatalf("%s --help: status %d, %s", command, status, &stderr)
	}
	for line := range strings.Lines(help.String()) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, "\t") || utf8.RuneCountInString(line) > 80 {
			t.Errorf("%s --help: more than 80 columns, or a tab: %q", command, line)
		}
	}
	named := func(option string) {
		if !regexp.MustCompile(`(^|[\s,|\[(/])` + option + `([^a-z-]|$)`).Match(help.Bytes()) {
			t.Errorf("%s --help does not name %s", command, option)
		}
	}
	for _, o := range options {
		if o.Long != "" {
			named("--" + o.Long)
		}
		if o.Short != 0 {
			named("-" + string(o.Short))
		}
	}
}
