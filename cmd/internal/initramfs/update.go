//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

// configFile has the options of build that update takes, one a line.
const configFile = "/etc/gomodprobe/initramfs.conf"

// defaultImage is where update writes an image; %k stands for the release.
const defaultImage = "/boot/initrd.img-%k"

// IDs of update's and install-hooks' options that have no short name.
const (
	updateRoot = 512 + iota
	updateRemove
)

var updateOptions = []getopt.Option{
	{Long: "output", Short: 'o', ID: 'o', Arg: getopt.Required},
	{Long: "kernel", Short: 'k', ID: 'k', Arg: getopt.Required},
	{Long: "verbose", Short: 'v', ID: 'v'},
	{Long: "root", ID: updateRoot, Arg: getopt.Required},
	{Long: "remove", ID: updateRemove},
}

// updater is the command line of update and install-hooks.
type updater struct {
	output, release, root string
	verbose, remove       bool
}

func (u *updater) set(id int, value string) error {
	switch id {
	case 'o':
		u.output = value
	case 'k':
		u.release = value
	case 'v':
		u.verbose = true
	case updateRoot:
		u.root = value
	case updateRemove:
		u.remove = true
	}
	return nil
}

// initramfsUpdate runs goinitramfs update.
func initramfsUpdate(env *cli.Env, log *cli.Logger, args []string) int {
	u := new(updater)
	list, ok := initramfsArgs(env, log, updateOptions, args, u.set)
	if ok && len(list) > 0 {
		log.Errorf("update takes no operands, but there is %q; the kernel is named with --kernel", list[0])
		ok = false
	}
	if !ok {
		return 2
	}
	if err := u.run(env, log); err != nil {
		log.Errorf("%v", err)
		return 1
	}
	return 0
}

// run builds the image of a kernel as the configuration says. One that would be the same as before is left alone, so
// that the one kept beside it is the last that was different.
func (u *updater) run(env *cli.Env, log *cli.Logger) error {
	args, err := u.config(env)
	if err != nil {
		return err
	}
	b, list, ok := parseBuilder(env, log, args)
	if !ok || len(list) > 0 {
		return fmt.Errorf("%s: it takes the options of build, one a line", configFile)
	}
	if b.release = u.release; b.release == "" {
		if b.release, err = env.Kernel.Release(); err != nil {
			return err
		}
	}
	if strings.Contains(b.release, "/") || b.release == "." || b.release == ".." {
		return fmt.Errorf("--kernel=%s: no release of a kernel", b.release)
	}
	image, err := u.image(env, b)
	if err != nil {
		return err
	}
	if u.remove {
		return removeAll(image, image+".old", image+".new")
	}
	b.output, b.verbose = image+".new", u.verbose
	if err := b.build(env, log); err != nil {
		return errors.Join(err, removeAll(b.output))
	}
	same, err := sameContent(env, image, b.output)
	if err != nil {
		return errors.Join(err, removeAll(b.output))
	}
	if same {
		if u.verbose {
			fmt.Fprintf(env.Stderr, "%s is as it has to be\n", image)
		}
		return removeAll(b.output)
	}
	return install(env, b.output, image)
}

// config returns the options in the configuration file as arguments.
func (u *updater) config(env *cli.Env) ([]string, error) {
	name := u.root + configFile
	data, err := readArg(env, name)
	if errors.Is(err, fs.ErrNotExist) {
		data = []byte(defaultConfig)
	} else if err != nil {
		return nil, err
	}
	var args []string
	if u.root != "" {
		args = append(args, "--root="+u.root)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, has := strings.Cut(line, "=")
		arg := "--" + strings.TrimSpace(strings.TrimLeft(key, "-"))
		if has {
			arg += "=" + strings.TrimSpace(value)
		}
		args = append(args, arg)
	}
	return args, nil
}

// image is the path of the image.
func (u *updater) image(env *cli.Env, b *builder) (string, error) {
	switch {
	case u.output != "":
		return cli.Absolute(env, u.output)
	case b.output == "":
		b.output = defaultImage
	}
	if !path.IsAbs(b.output) {
		return "", fmt.Errorf("%s: output=%s is no path from /", configFile, b.output)
	}
	root, err := cli.Absolute(env, u.root)
	if u.root == "" {
		root, err = "", nil
	}
	return root + strings.ReplaceAll(b.output, "%k", b.release), err
}

// removeAll removes files that may not be there.
func removeAll(names ...string) error {
	var failures []error
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// sameContent compares two files, the first of which may be missing.
func sameContent(env *cli.Env, a, b string) (bool, error) {
	f, err := openArg(env, a)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := openArg(env, b)
	if err != nil {
		return false, err
	}
	defer g.Close()
	var x, y [64 << 10]byte
	for {
		n, err1 := io.ReadFull(f, x[:])
		m, err2 := io.ReadFull(g, y[:])
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err1 != nil || err2 != nil {
			ended := func(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
			if ended(err1) && ended(err2) {
				return true, nil
			}
			return false, errors.Join(err1, err2)
		}
	}
}

// install puts a new image in place of the old one, which is kept beside it. At every moment there is a whole image of
// that name.
func install(env *cli.Env, from, image string) error {
	if _, err := os.Stat(image); err == nil {
		if err := keep(env, image, image+".old"); err != nil {
			return err
		}
	}
	if err := os.Rename(from, image); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(image))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// keep makes old a second name of an image, or a copy, where a file system has no such names.
func keep(env *cli.Env, image, old string) error {
	second := old + ".new"
	if err := removeAll(second); err != nil {
		return err
	}
	if os.Link(image, second) == nil {
		return os.Rename(second, old)
	}
	return cli.SaveWith(env, old, func(w io.Writer) error {
		f, err := openArg(env, image)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}
