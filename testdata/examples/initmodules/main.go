//go:build linux

// Command initmodules is an example of package modprobe where a program used u-root's pkg/kmodule before: started
// by init, it loads a driver for every device of this machine, and then the modules named on its command line.
//
//	u-root … -uinitcmd="initmodules ext4 overlay" core ./testdata/examples/initmodules
//
// One Prober serves all: configuration and tables are read once. What has no module is no error; what fails is
// told with the kernel's own reason, and the rest goes on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "initmodules:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	p, err := modprobe.New(&modprobe.Options{Step: func(s modprobe.Step) { fmt.Println(s) }})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for device, err := range alias.Devices(os.DirFS("/")) {
		if err != nil {
			return err
		}
		if seen[device.Alias] {
			continue
		}
		seen[device.Alias] = true
		if err := p.Load(ctx, device.Alias); err != nil && !errors.Is(err, modprobe.ErrNotFound) {
			fmt.Fprintf(os.Stderr, "initmodules: %s: %v\n", device.Path, err)
		}
	}
	var failed error
	for _, name := range names {
		if err := p.Load(ctx, name); err != nil {
			failed = err
			fmt.Fprintln(os.Stderr, "initmodules:", explain(err))
		}
	}
	return failed
}

// explain adds what the kernel said about a failure.
func explain(err error) string {
	var e *modprobe.Error
	if errors.As(err, &e) && e.Reason != "" {
		return fmt.Sprintf("%v: %s", err, e.Reason)
	}
	return err.Error()
}
