//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// errEarlyFile says what --early takes.
var errEarlyFile = errors.New("neither a folder nor an archive that is not compressed; a single file needs its path " +
	"in the image, as FILE:kernel/x86/microcode/GenuineIntel.bin")

// early returns the entries of the member that comes first. The kernel looks into it, before it unpacks anything, for
// microcode and ACPI tables.
func (b *builder) early(env *cli.Env, log *cli.Logger, fsys fs.FS) ([]initramfs.Entry, error) {
	var out []initramfs.Entry
	for _, arg := range b.earlies {
		if arg == "auto" {
			entries, err := earlyAuto(env.FS, log, fsys)
			if err != nil {
				return nil, err
			}
			out = append(out, entries...)
			continue
		}
		from, to, named := strings.Cut(arg, ":")
		abs, err := cli.Absolute(env, from)
		if err != nil {
			return nil, err
		}
		name, err := sysroot.Name(env.FS, abs)
		if err != nil {
			return nil, err
		}
		info, err := fs.Stat(env.FS, name)
		if err != nil {
			return nil, fmt.Errorf("--early=%s: %w", arg, cli.Bare(err))
		}
		var entries []initramfs.Entry
		switch {
		case info.IsDir() && !named:
			entries, err = earlyFolder(env.FS, name)
		case info.IsDir():
			err = fmt.Errorf("%s is a folder", from)
		case named:
			var e initramfs.Entry
			e, err = earlyFile(env.FS, name, strings.TrimPrefix(path.Clean("/"+to), "/"))
			entries = append(entries, e)
		default:
			entries, err = earlyArchive(env.FS, name)
		}
		if err != nil {
			return nil, fmt.Errorf("--early=%s: %w", arg, err)
		}
		out = append(out, entries...)
	}
	return out, nil
}

// earlyFolder returns the regular files below a folder, with their paths relative to it.
func earlyFolder(fsys fs.FS, dir string) (out []initramfs.Entry, err error) {
	err = fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		e, err := earlyFile(fsys, name, strings.TrimPrefix(name[len(strings.TrimSuffix(dir, ".")):], "/"))
		out = append(out, e)
		return err
	})
	return out, err
}

// earlyFile returns an entry with the content of a file. The kernel does not expand what is in this member, so a
// compressed file is expanded here.
func earlyFile(fsys fs.FS, from, to string) (initramfs.Entry, error) {
	data, format, err := compress.ReadFile(fsys, from, nil, 0)
	if err != nil {
		return initramfs.Entry{}, err
	}
	if format != compress.None {
		to = strings.TrimSuffix(strings.TrimSuffix(to, ".xz"), ".zst")
	}
	return initramfs.Content(to, 0o644, data), nil
}

// earlyArchive returns the regular files of the first member of an archive, such as those that come with microcode.
func earlyArchive(fsys fs.FS, name string) (out []initramfs.Entry, err error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte("07070")) {
		return nil, errEarlyFile
	}
	r := initramfs.NewReader(bytes.NewReader(data))
	for {
		f, err := r.Next()
		if err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		if f.Mode.IsRegular() && f.Member.Index == 0 {
			content, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			out = append(out, initramfs.Content(f.Path, 0o644, content))
		}
	}
}

// earlyAuto returns the microcode for the processors of this machine, which is taken from the firmware in fsys. Without
// any a warning says what was looked for.
func earlyAuto(machine fs.FS, log *cli.Logger, fsys fs.FS) ([]initramfs.Entry, error) {
	info, err := fs.ReadFile(machine, "proc/cpuinfo")
	if err != nil {
		return nil, fmt.Errorf("--early=auto: /proc/cpuinfo: %w", cli.Bare(err))
	}
	vendor, files := microcode(string(info))
	if vendor == "" {
		log.Warningf("--early=auto: no microcode is known for the processors of this machine")
		return nil, nil
	}
	var content []byte
	for _, file := range files {
		found := false
		for _, suffix := range [...]string{"", ".xz", ".zst"} {
			data, _, err := compress.ReadFile(fsys, "lib/firmware/"+file+suffix, nil, 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("--early=auto: %w", err)
			}
			content, found = append(content, data...), true
			break
		}
		if !found {
			log.Warningf("--early=auto: there is no /lib/firmware/%s with microcode for this processor", file)
		}
	}
	if len(content) == 0 {
		return nil, nil
	}
	return []initramfs.Entry{initramfs.Content("kernel/x86/microcode/"+vendor+".bin", 0o644, content)}, nil
}

// microcode returns the vendor and, without repetition, the files of firmware for the processors in /proc/cpuinfo.
func microcode(cpuinfo string) (vendor string, files []string) {
	for cpu := range strings.SplitSeq(cpuinfo, "\n\n") {
		fields := make(map[string]string)
		for line := range strings.Lines(cpu) {
			key, value, _ := strings.Cut(line, ":")
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
		number := func(key string) int {
			n, err := strconv.Atoi(fields[key])
			if err != nil {
				return -1
			}
			return n
		}
		family, model, stepping := number("cpu family"), number("model"), number("stepping")
		file := ""
		switch {
		case family < 0 || model < 0 || stepping < 0:
			continue
		case fields["vendor_id"] == "GenuineIntel":
			file = fmt.Sprintf("intel-ucode/%02x-%02x-%02x", family, model, stepping)
		case fields["vendor_id"] != "AuthenticAMD":
			continue
		case family < 0x15:
			file = "amd-ucode/microcode_amd.bin"
		default:
			file = fmt.Sprintf("amd-ucode/microcode_amd_fam%02xh.bin", family)
		}
		vendor = fields["vendor_id"]
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return vendor, files
}
