package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// shell runs a command as system(3) does, on our own standard streams: while it runs, the keys that interrupt are for
// the command, and we wait for its end.
func shell(command string, variables []string) error {
	interrupts := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // a signal that we were started to ignore stays ignored in the command
			signal.Notify(interrupts, s)
		}
	}
	defer signal.Stop(interrupts)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.ContainsFunc(variables, func(w string) bool { return strings.HasPrefix(w, name+"=") })
	})
	return modprobe.Exec(context.Background(), append(env, variables...), "/bin/sh", "-c", command)
}
