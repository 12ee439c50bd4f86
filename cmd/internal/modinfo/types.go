//go:build !kmod_boot

package modinfo

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// sysTypes is where the running kernel shows its types.
const sysTypes = "/sys/kernel/btf/vmlinux"

var errNoTypes = errors.New("it has no types in BTF")

// runTypes is modinfo --type and --dump-btf.
func runTypes(env *cli.Env, log *cli.Logger, args *modinfoArgs) int {
	name := sysTypes
	switch {
	case len(args.operands) == 1:
		name = args.operands[0]
	case len(args.operands) > 1, args.view == modinfoDumpBTF:
		log.Errorf("--dump-btf takes one file, --type one or none")
		return 1
	}
	out := bufio.NewWriter(env.Stdout)
	err := showTypes(env, out, name, args)
	if flushed := out.Flush(); err == nil && flushed != nil {
		log.Errorf("could not write: %s", cli.Strerror(flushed))
		return 1
	}
	if err != nil {
		log.Errorf("%s: %s", name, cli.Strerror(err))
		return 1
	}
	return 0
}

func showTypes(env *cli.Env, out *bufio.Writer, name string, args *modinfoArgs) error {
	data, distilled, split, err := readBTF(env, name)
	if err != nil {
		return err
	}
	if args.view == modinfoDumpBTF {
		_, err := out.Write(data)
		return err
	}
	f, err := parseBTF(env, data, distilled, split)
	if err != nil {
		return err
	}
	want := args.typeName
	for _, prefix := range []string{"struct ", "union ", "enum "} {
		want = strings.TrimPrefix(want, prefix)
	}
	found := false
	for _, t := range f.Lookup(want) {
		if want != args.typeName && t.Kind.String() != strings.Fields(args.typeName)[0] {
			continue
		}
		if found {
			out.WriteByte('\n')
		}
		found = true
		if err := f.Print(out, t.ID); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("no type %s in it", args.typeName)
	}
	return nil
}

// parseBTF reads types. Those of a module are over its distilled base, else over those of the running kernel, which
// must be the one it was built for.
func parseBTF(env *cli.Env, data, distilled []byte, split bool) (*btf.File, error) {
	var base *btf.File
	var err error
	switch {
	case distilled != nil:
		base, err = btf.Parse(distilled, nil)
	case split:
		var running []byte
		if running, _, _, err = readBTF(env, sysTypes); err != nil {
			return nil, fmt.Errorf("its types go on where those of its kernel end, and %s: %s", sysTypes,
				cli.Strerror(err))
		}
		base, err = btf.Parse(running, nil)
	}
	if err != nil {
		return nil, err
	}
	return btf.Parse(data, base)
}

// readBTF returns the types in a file: a module, a boot image, or BTF itself. Split says that they are a module's.
func readBTF(env *cli.Env, name string) (data, distilled []byte, split bool, err error) {
	abs, err := cli.Absolute(env, name)
	if err != nil {
		return nil, nil, false, err
	}
	file, err := cli.FSName(env.FS, path.Clean(abs))
	if err != nil {
		return nil, nil, false, err
	}
	if data, _, err = compress.ReadFile(env.FS, file, nil, 0); err == nil {
		if _, err := btf.Parse(data, nil); err == nil {
			return data, nil, false, nil
		}
		if f, err := elf.Parse(data); err == nil && f.Type() == elf.TypeRelocatable {
			if data, distilled = f.Content(".BTF"), f.Content(".BTF.base"); data == nil {
				return nil, nil, false, errNoTypes
			}
			return data, distilled, true, nil
		}
	}
	raw, err := readWhole(env.FS, file)
	if err != nil {
		return nil, nil, false, err
	}
	vmlinux, _, err := kernel.Unwrap(raw)
	if err != nil {
		return nil, nil, false, err
	}
	if data = kernel.Types(vmlinux); data == nil {
		return nil, nil, false, errNoTypes
	}
	return data, nil, false, nil
}

// readWhole reads a file as it is.
func readWhole(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return compress.ReadRaw(f, 0)
}
