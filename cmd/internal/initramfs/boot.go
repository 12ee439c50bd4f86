//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/initramfs"
)

// IDs of boot's options that have no short name.
const (
	bootKernel = 768 + iota
	bootDisk
	bootAppend
)

var bootOptions = []getopt.Option{
	{Long: "kernel", Short: 'k', ID: bootKernel, Arg: getopt.Required},
	{Long: "disk", ID: bootDisk, Arg: getopt.Required},
	{Long: "append", ID: bootAppend, Arg: getopt.Required},
	{Long: "dry-run", Short: 'n', ID: 'n'},
}

// booter is the command line of boot.
type booter struct {
	image, kernel, disk string
	words               []string // for the kernel's command line
	dry                 bool
}

func (b *booter) set(id int, value string) error {
	switch id {
	case bootKernel:
		b.kernel = value
	case bootDisk:
		b.disk = value
	case bootAppend:
		b.words = append(b.words, value)
	case 'n':
		b.dry = true
	}
	return nil
}

// initramfsBoot runs goinitramfs boot: it starts a virtual machine with an image, or prints how.
func initramfsBoot(env *cli.Env, log *cli.Logger, args []string) int {
	b := new(booter)
	list, ok := operands(env, log, "boot [--kernel FILE] [--disk FILE] [--append WORDS] [-n] IMAGE", bootOptions, args, 1, 1,
		b.set)
	if !ok {
		return 2
	}
	b.image = list[0]
	command, err := b.command(env)
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if b.dry {
		fmt.Fprintln(env.Stdout, command)
		return 0
	}
	if err := env.Shell("exec "+command, nil); err != nil {
		log.Errorf("%s: %v", command, err)
		return 1
	}
	return 0
}

// command is the call of qemu. The disk is not written to.
func (b *booter) command(env *cli.Env) (string, error) {
	if b.kernel == "" {
		if err := b.findKernel(env); err != nil {
			return "", err
		}
	}
	head, err := readBeginning(env, b.kernel)
	if err != nil {
		return "", err
	}
	qemu, console := "qemu-system-x86_64", "ttyS0"
	if isArm64(head) {
		qemu, console = "qemu-system-aarch64 -machine virt -cpu max", "ttyAMA0"
	}
	line := "console=" + console + " panic=-1"
	disk := ""
	if b.disk != "" {
		head, err := readBeginning(env, b.disk)
		if err != nil {
			return "", err
		}
		format := "raw"
		if bytes.HasPrefix(head, []byte("QFI\xfb")) {
			format = "qcow2"
		}
		file := strings.ReplaceAll(b.disk, ",", ",,") // as qemu wants it
		disk = " -snapshot -drive " + quote("if=virtio,format="+format+",file="+file)
		if !strings.Contains(" "+strings.Join(b.words, " "), " root=") {
			line += " root=/dev/vda"
		}
	}
	line = strings.Join(append([]string{line}, b.words...), " ")
	return fmt.Sprintf("%s -accel kvm -accel tcg -m 1024 -smp 2 -nographic -no-reboot -kernel %s -initrd %s%s -append %s",
		qemu, quote(b.kernel), quote(b.image), disk, quote(line)), nil
}

// findKernel looks for the kernel that the modules of the image are for.
func (b *booter) findKernel(env *cli.Env) error {
	release := ""
	err := eachFile(env, b.image, func(f *initramfs.File, _ io.Reader) error {
		if dir, file := path.Split(f.Path); file == "modules.dep.bin" {
			release = path.Base(dir)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if release == "" {
		return errors.New("the image has no tables of modules, which would tell the kernel: --kernel names its file")
	}
	places := []string{
		"/boot/vmlinuz-" + release, "/lib/modules/" + release + "/vmlinuz", "/usr/lib/modules/" + release + "/vmlinuz",
	}
	for _, p := range places {
		if _, err := fs.Stat(env.FS, p[1:]); err == nil {
			b.kernel = p
			return nil
		}
	}
	return fmt.Errorf("the kernel %s is none of %s: --kernel names its file", release, strings.Join(places, ", "))
}

// readBeginning reads what tells the kind of a file.
func readBeginning(env *cli.Env, name string) ([]byte, error) {
	f, err := openArg(env, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 1024)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", name, cli.Bare(err))
	}
	return head[:n], nil
}

// isArm64 reports whether a kernel is one for ARM64; what cannot be told is for this machine.
func isArm64(head []byte) bool {
	switch {
	case len(head) >= 0x3c && string(head[0x38:0x3c]) == "ARM\x64":
		return true
	case len(head) >= 0x206 && string(head[0x202:0x206]) == "HdrS":
		return false
	}
	return runtime.GOARCH == "arm64"
}

// quote writes a word for the shell.
func quote(word string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=,:+@%"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
