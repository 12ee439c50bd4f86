//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// made is the tree of the demonstration without a real kernel.
var made = kmodtest.Spec{Release: "6.1.0-made", Modules: []kmodtest.Module{
	{Name: "crc16", Exports: []kmodtest.Export{{Name: "crc16"}}},
	{Name: "jbd2", Exports: []kmodtest.Export{{Name: "jbd2_journal"}}},
	{Name: "ext4", Depends: "crc16,jbd2", Aliases: []string{"fs-ext4"},
		Imports: []kmodtest.Import{{Name: "crc16"}, {Name: "jbd2_journal"}}},
	{Name: "ahci", Aliases: []string{"pci:v*d*sv*sd*bc01sc06i01*"}},
	{Name: "loop", Params: []kmodtest.Param{{Name: "max_loop", Type: "int"}, {Name: "max_part", Type: "int"}}},
	{Name: "dummy"},
	{Name: "macvlan"},
}}

// fake does the steps of the guest on a made tree, and a kernel that only writes down what it is asked for.
func fake(ctx context.Context, tmp, why string) error {
	say("no real kernel can be booted: %s", why)
	say("doing the same on a MADE tree of modules and a FAKE kernel, which loads nothing")
	root := filepath.Join(tmp, "made")
	if err := made.Write(root); err != nil {
		return err
	}
	conf := filepath.Join(root, "etc/modprobe.d/demo.conf")
	if err := os.MkdirAll(filepath.Dir(conf), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(conf, []byte(config), 0o644); err != nil {
		return err
	}
	tables, err := depmod.Build(ctx, &depmod.Options{FS: os.DirFS(root), Release: made.Release})
	if err != nil {
		return err
	}
	if err := tables.Install(filepath.Join(root, "lib/modules", made.Release)); err != nil {
		return err
	}
	k := &modprobetest.Kernel{Version: made.Release, Dir: root}
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Kernel: k})
	if err != nil {
		return err
	}
	for _, s := range []struct {
		title, name, params string
		remove              bool
		want                []string // what the kernel is to be asked for
	}{
		{"a module by name, with what it needs", "ext4", "", false,
			[]string{"finit_module crc16", "finit_module jbd2", "finit_module ext4"}},
		{"a driver by the alias of a device", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "",
			false, []string{"finit_module ahci"}},
		{"parameters, asked for and from /etc/modprobe.d", "loop", "max_loop=5", false,
			[]string{`finit_module loop "max_part=3 max_loop=5"`}},
		{"a soft dependency", "macvlan", "", false, []string{"finit_module dummy", "finit_module macvlan"}},
		{"a module and what only it needed are removed", "ext4", "", true,
			[]string{"delete_module ext4", "delete_module jbd2", "delete_module crc16"}},
	} {
		fmt.Printf("\n--- %s\n", s.title)
		before := len(k.Calls())
		if err := step(ctx, p, s.name, s.params, s.remove); err != nil {
			return err
		}
		calls := k.Calls()[before:]
		for _, c := range calls {
			fmt.Println("the kernel was asked:", c)
		}
		if err := asked(calls, s.want); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

// step plans and carries out one loading or removal.
func step(ctx context.Context, p *modprobe.Prober, name, params string, remove bool) error {
	if remove {
		fmt.Println("# modprobe -r", name)
		return p.Remove(ctx, name)
	}
	fmt.Println("# modprobe", name, params)
	return p.Load(ctx, name, strings.Fields(params)...)
}

// asked compares calls with what they should begin with, in any order: what does not depend on each other may come
// in either.
func asked(calls []modprobetest.Call, want []string) error {
	if len(calls) != len(want) {
		return fmt.Errorf("%d calls, want %d", len(calls), len(want))
	}
	for _, w := range want {
		found := false
		for _, c := range calls {
			found = found || strings.HasPrefix(c.String(), w)
		}
		if !found {
			return fmt.Errorf("the kernel was not asked: %s", w)
		}
	}
	return nil
}
