//go:build !kmod_boot

package tool

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

// TestHelpNamesOptions: every option that a tool takes is named by its --help, both of its names.
func TestHelpNamesOptions(t *testing.T) {
	for name, options := range map[string][]getopt.Option{
		"modprobe":    modprobeOptions(),
		"depmod":      depmodOptions,
		"modinfo":     modinfoOptions,
		"insmod":      simpleOptions(true),
		"rmmod":       simpleOptions(false),
		"lsmod":       simpleOptions(false),
		"goinitramfs": buildOptions,
	} {
		var help, stderr bytes.Buffer
		env := System()
		env.Args, env.Stdout, env.Stderr = []string{name, "--help"}, &help, &stderr
		if status := Main(env); status != 0 {
			t.Fatalf("%s --help: status %d, %s", name, status, &stderr)
		}
		named := func(option string) {
			if !regexp.MustCompile(`(^|[\s,|\[(/])` + option + `([^a-z-]|$)`).Match(help.Bytes()) {
				t.Errorf("%s --help does not name %s", name, option)
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
}
