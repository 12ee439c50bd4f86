package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// shell runs a command as system(3) does, on our own standard streams.
func shell(command string, variables []string) error {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.ContainsFunc(variables, func(w string) bool { return strings.HasPrefix(w, name+"=") })
	})
	return modprobe.Exec(context.Background(), append(env, variables...), "/bin/sh", "-c", command)
}
