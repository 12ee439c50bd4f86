//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// operands reads a command line without options but those given, and wants between least and most operands.
func operands(
	env *cli.Env, log *cli.Logger, usage string, options []getopt.Option, args []string,
	least, most int, set func(int, string) error,
) ([]string, bool) {
	list, ok := initramfsArgs(env, log, options, args, set)
	if ok && (len(list) < least || most >= 0 && len(list) > most) {
		log.Errorf("usage: %s %s", log.Prog, usage)
		return nil, false
	}
	return list, ok
}

// eachFile calls visit for the entries of an image.
func eachFile(env *cli.Env, name string, visit func(f *initramfs.File, content io.Reader) error) error {
	return openFiles(name, func() (io.ReadCloser, error) { return openImage(env, name) }, visit)
}

// openFiles opens the image of that name and calls visit for its entries.
func openFiles(
	name string, open func() (io.ReadCloser, error), visit func(f *initramfs.File, content io.Reader) error,
) error {
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	r := initramfs.NewReader(in)
	for {
		f, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = visit(f, r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// initramfsLs runs goinitramfs ls.
func initramfsLs(env *cli.Env, log *cli.Logger, args []string) int {
	long := false
	list, ok := operands(env, log, "ls [-l] IMAGE", []getopt.Option{{Long: "long", Short: 'l', ID: 'l'}}, args,
		1, 1, func(int, string) error { long = true; return nil })
	if !ok {
		return 2
	}
	var member *initramfs.Member
	err := eachFile(env, list[0], func(f *initramfs.File, _ io.Reader) error {
		if long && f.Member != member {
			member = f.Member
			how := member.Compression
			if how == "" {
				how = "not compressed"
			}
			fmt.Fprintf(env.Stdout, "member %d at offset %d, %s:\n", member.Index, member.Offset, how)
		}
		line := printable(f.Path)
		if long {
			size := fmt.Sprint(f.Size)
			if f.Mode&fs.ModeDevice != 0 {
				size = fmt.Sprintf("%d,%d", f.Major, f.Minor)
			}
			line = fmt.Sprintf("%s %5s %10s %s %s", modeText(f.Mode), fmt.Sprint(f.UID, ":", f.GID), size,
				time.Unix(int64(f.ModTime), 0).UTC().Format("2006-01-02 15:04"), printable(f.Path))
			if f.Target != "" {
				line += " -> " + printable(f.Target)
			}
		}
		_, err := io.WriteString(env.Stdout, line+"\n")
		return err
	})
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	return 0
}

// modeText is a mode as ls spells it.
func modeText(m fs.FileMode) string {
	kind := byte('-')
	switch m.Type() {
	case fs.ModeDir:
		kind = 'd'
	case fs.ModeSymlink:
		kind = 'l'
	case fs.ModeDevice:
		kind = 'b'
	case fs.ModeDevice | fs.ModeCharDevice:
		kind = 'c'
	case fs.ModeNamedPipe:
		kind = 'p'
	case fs.ModeSocket:
		kind = 's'
	}
	text := []byte(m.Perm().String())
	text[0] = kind
	for _, s := range [...]struct {
		mode fs.FileMode
		at   int
		sign byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if m&s.mode != 0 {
			if text[s.at] == '-' {
				s.sign -= 'a' - 'A'
			}
			text[s.at] = s.sign
		}
	}
	return string(text)
}

// printable keeps control characters in names away from the terminal.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// initramfsCat runs goinitramfs cat.
func initramfsCat(env *cli.Env, log *cli.Logger, args []string) int {
	list, ok := operands(env, log, "cat IMAGE FILE...", nil, args, 2, -1, nil)
	if !ok {
		return 2
	}
	open := func() (io.ReadCloser, error) { return openImage(env, list[0]) }
	if list[0] == "-" {
		data, err := io.ReadAll(env.Stdin)
		if err != nil {
			log.Errorf("%v", err)
			return 1
		}
		open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	status := 0
	for _, name := range list[1:] {
		if err := catFile(env.Stdout, list[0], open, path.Clean("/" + name)[1:]); err != nil {
			log.Errorf("%v", err)
			status = 1
		}
	}
	return status
}

// catFile shows a file of an image. The image is read twice, so that content need not be kept: the last of several
// entries of that name is what the kernel leaves.
func catFile(out io.Writer, image string, open func() (io.ReadCloser, error), name string) error {
	last, count, problem := 0, 0, "no such file"
	err := openFiles(image, open, func(f *initramfs.File, _ io.Reader) error {
		if count++; f.Path == name {
			switch last = count; {
			case f.Mode&fs.ModeSymlink != 0:
				problem = "is a link to " + printable(f.Target)
			case !f.Mode.IsRegular():
				problem = "is not a file"
			default:
				problem = ""
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if problem != "" {
		return fmt.Errorf("%s: %s: %s", image, printable(name), problem)
	}
	return openFiles(image, open, func(_ *initramfs.File, content io.Reader) error {
		if last--; last != 0 {
			return nil
		}
		_, err := io.Copy(out, content)
		return err
	})
}

// initramfsExtract runs goinitramfs extract.
func initramfsExtract(env *cli.Env, log *cli.Logger, args []string) int {
	list, ok := operands(env, log, "extract IMAGE [DIR]", nil, args, 1, 2, nil)
	if !ok {
		return 2
	}
	dir := append(list, ".")[1]
	skipped, err := extractImage(env, log, list[0], dir)
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if skipped {
		return 1
	}
	return 0
}

// extractImage unpacks and reports whether something but special files was left out.
func extractImage(env *cli.Env, log *cli.Logger, name, dir string) (skipped bool, err error) {
	in, err := openImage(env, name)
	if err != nil {
		return false, err
	}
	defer in.Close()
	abs, err := cli.Absolute(env, dir)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return false, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return false, err
	}
	defer root.Close()
	err = initramfs.Extract(in, root, func(f *initramfs.File, err error) {
		if errors.Is(err, errors.ErrUnsupported) {
			log.Warningf("%s: left out: %v", printable(f.Path), err)
			return
		}
		log.Errorf("%s: left out: %v", printable(f.Path), err)
		skipped = true
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return skipped, err
}

// initramfsWhy runs goinitramfs why.
func initramfsWhy(env *cli.Env, log *cli.Logger, args []string) int {
	list, ok := operands(env, log, "why [IMAGE] MODULE", nil, args, 1, 2, nil)
	if !ok {
		return 2
	}
	module := list[len(list)-1]
	chain, where, err := findWhy(env, module, list[:len(list)-1])
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if chain == nil {
		log.Errorf("%s is not in %s", module, where)
		return 1
	}
	io.WriteString(env.Stdout, chainText(chain))
	return 0
}

// findWhy asks the image, if there is one, or else what this machine needs.
func findWhy(env *cli.Env, module string, image []string) (chain []initramfs.ChainLink, where string, err error) {
	if len(image) > 0 {
		in, err := openImage(env, image[0])
		if err != nil {
			return nil, "", err
		}
		defer in.Close()
		reasons, err := initramfs.ImageReasons(in)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", image[0], err)
		}
		return initramfs.WhyImage(reasons, module), image[0], nil
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel})
	if err != nil {
		return nil, "", err
	}
	profile, err := initramfs.ReadProfile(env.FS)
	if err != nil {
		return nil, "", err
	}
	o := new(initramfs.Options)
	profile.Select(o)
	sel, err := initramfs.Select(context.Background(), p, env.FS, o)
	if err != nil {
		return nil, "", err
	}
	return sel.Why(module), "what this machine needs", nil
}

// initramfsProfile runs goinitramfs profile.
func initramfsProfile(env *cli.Env, log *cli.Logger, args []string) int {
	list, ok := operands(env, log, "profile save [FILE]", nil, args, 1, 2, nil)
	if ok && list[0] != "save" {
		log.Errorf("usage: %s profile save [FILE]", log.Prog)
		ok = false
	}
	if !ok {
		return 2
	}
	profile, err := initramfs.ReadProfile(env.FS)
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if len(list) == 2 {
		err = cli.SaveFile(env, list[1], profile.Bytes())
	} else {
		_, err = env.Stdout.Write(profile.Bytes())
	}
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	return 0
}
