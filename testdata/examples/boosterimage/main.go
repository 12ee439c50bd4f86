// Command boosterimage is an example of package initramfs for a builder whose images have a layout and a loader of
// their own, as booster's: modules side by side in /usr/lib/modules, a list of aliases, and /etc/booster.init.yaml,
// which says what has to be loaded before and after each module.
//
//	boosterimage -kernel 6.1.0 -init init -o image virtio_pci virtio_blk ext4
//
// It shows what can be asked of a Selection besides the finished entries: Modules for the files, the Prober's Plan
// for their order, the trimmed tables for the aliases, the configuration for parameters. Compressed modules, which
// booster expands, are refused.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

func main() {
	b := builder{}
	flag.StringVar(&b.root, "root", "/", "the system to take modules from")
	flag.StringVar(&b.kernel, "kernel", "", "release of the kernel that the image is for; default: the running one")
	flag.StringVar(&b.init, "init", "init", "the program for /init")
	output := flag.String("o", "booster.img", "image to write")
	flag.Parse()
	if err := b.run(*output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "boosterimage:", err)
		os.Exit(1)
	}
}

type builder struct {
	root, kernel, init string
}

func (b *builder) run(output string, names []string) error {
	fsys := os.DirFS(b.root)
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: b.kernel})
	if err != nil {
		return err
	}
	s, err := initramfs.Select(context.Background(), p, fsys, &initramfs.Options{Add: names, Tables: initramfs.AllTables})
	if err != nil {
		return err
	}
	for _, m := range s.Missing {
		return fmt.Errorf("missing: %v", m)
	}
	entries, err := layout(p, s)
	if err != nil {
		return err
	}
	init, err := os.ReadFile(b.init)
	if err != nil {
		return err
	}
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	if err := initramfs.Write(out, append(entries, initramfs.Content("init", 0o755, init)), nil); err != nil {
		return err
	}
	return out.Close()
}

// layout arranges a selection as booster's init wants it.
func layout(p *modprobe.Prober, s *initramfs.Selection) ([]initramfs.Entry, error) {
	const modules = "usr/lib/modules"
	ours, err := s.Entries()
	if err != nil {
		return nil, err
	}
	image, err := initramfs.NewFS(ours)
	if err != nil {
		return nil, err
	}
	entries := initramfs.DeviceNodes()
	for _, m := range s.Modules {
		if m.Builtin {
			continue
		}
		if path.Ext(m.Path) != ".ko" {
			return nil, fmt.Errorf("%s: this example does not expand modules", m.Path)
		}
		e, err := initramfs.Copy(modules+"/"+m.Name+".ko", 0o644, image, path.Join(s.Dir, m.Path))
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	aliases, err := aliasList(image, path.Join(s.Dir, "modules.alias"))
	if err != nil {
		return nil, err
	}
	config, err := initConfig(p, s)
	if err != nil {
		return nil, err
	}
	return append(entries,
		initramfs.Content(modules+"/booster.alias", 0o644, aliases),
		initramfs.Content("etc/booster.init.yaml", 0o644, config)), nil
}

// aliasList turns modules.alias, which is trimmed to the modules of the image, into lines "PATTERN MODULE".
func aliasList(image fs.FS, name string) ([]byte, error) {
	f, err := image.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []byte
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("alias ")); ok {
			out = append(append(out, rest...), '\n')
		}
	}
	return out, lines.Err()
}

// initConfig writes what booster's init reads at its start. A module's plan is in the order of loading: what comes
// before it are dependencies and softdeps, what comes after it the other softdeps.
func initConfig(p *modprobe.Prober, s *initramfs.Selection) ([]byte, error) {
	before, after, builtin := map[string][]string{}, map[string][]string{}, map[string][]string{}
	for _, m := range s.Modules {
		if m.Builtin {
			builtin[m.Name] = nil
			continue
		}
		plan, err := p.Plan(m.Name, &modprobe.PlanOptions{ShowAll: true})
		if err != nil {
			return nil, err
		}
		list := before
		for _, step := range plan {
			if step.Module.Name == m.Name {
				list = after
			} else if !step.Module.Builtin {
				list[m.Name] = append(list[m.Name], step.Module.Name)
			}
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "kernel: %s\nmounttimeout: 60\nmoduledependencies:\n", s.Release)
	writeLists(&out, before)
	out.WriteString("modulepostdependencies:\n")
	writeLists(&out, after)
	out.WriteString("modprobeoptions:\n")
	for _, o := range p.Config().Options {
		if _, ok := s.Module(o.Module); ok {
			fmt.Fprintf(&out, "  %s: %q\n", o.Module, o.Text)
		}
	}
	out.WriteString("builtinmodules:\n")
	writeLists(&out, builtin)
	return out.Bytes(), nil
}

// writeLists writes a map of lists as YAML.
func writeLists(out *bytes.Buffer, lists map[string][]string) {
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		fmt.Fprintf(out, "  %s: [%s]\n", key, strings.Join(lists[key], ", "))
	}
}
