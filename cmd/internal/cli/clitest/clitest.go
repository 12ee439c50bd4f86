// Package clitest has what the tests of several commands do.
package clitest

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

// Help runs a command with --help, which must name every option that it takes, by both of the option's names.
func Help(t *testing.T, run func(*cli.Env) int, command string, options []getopt.Option) {
	t.Helper()
	var help, stderr bytes.Buffer
	env := cli.System()
	env.Args, env.Stdout, env.Stderr = []string{command, "--help"}, &help, &stderr
	if status := run(env); status != 0 {
		t.Fatalf("%s --help: status %d, %s", command, status, &stderr)
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
