package check

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Explain says what an errno means for the loading of a module, where the kernel's own words do not. It is a
// value for modprobe.Options.Explain.
func Explain(p *modprobe.Prober, path string, err error, words []string) string {
	o := p.Options()
	return (&explainer{p: p, fsys: o.FS, kernel: o.Kernel}).hint(path, err, words)
}

// explainer looks for the reason why a load failed.
type explainer struct {
	p      *modprobe.Prober
	fsys   fs.FS
	kernel modprobe.Kernel
}

// hint is Explain. It does not contradict what the kernel or the module has logged: after that it says only what is
// certain.
func (e *explainer) hint(path string, err error, words []string) string {
	is := func(target error) bool { return errors.Is(err, target) }
	said := func(text string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, text) })
	}
	var broken *compress.Error
	switch {
	case errors.As(err, &broken):
		return "the file " + path + " is damaged: " + broken.Error()
	case errors.Is(err, fs.ErrNotExist) && !is(syscall.ENOENT), isPath(err):
		return ""
	case is(syscall.EPERM):
		return e.noPermission(said, explained(words))
	case is(errno.ENOEXEC) && said("version magic"):
		return "it was built for another kernel" + magicWords(words)
	case is(errno.ENOEXEC) && said("disagrees about version"),
		is(syscall.EINVAL) && said("disagrees about version"):
		return "it was built against other versions of what it uses; modprobe --show-modversions lists them"
	case is(syscall.ENOENT) && said("Unknown symbol"):
		return "a module it needs is missing, or does not export that; run depmod if modules have changed"
	case isSignature(err) && (said("Loading of ") || said("PKCS#7") || said("module: ") || !explained(words)):
		return "the module's signature is missing or not from a key this kernel trusts" + e.secureBoot()
	case is(errno.ENOEXEC), is(syscall.EINVAL):
		if text := e.damage(path); text != "" {
			return text
		}
	}
	if explained(words) {
		return ""
	}
	return e.meaning(path, err)
}

// isSignature reports whether an errno is one that the kernel has for signatures.
func isSignature(err error) bool {
	return errors.Is(err, errno.EKEYREJECTED) || errors.Is(err, errno.ENOKEY) ||
		errors.Is(err, errno.EKEYEXPIRED) || errors.Is(err, errno.EBADMSG)
}

// explained reports whether one of the kernel's lines can be the reason of a failure.
func explained(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(w, "unknown parameter '") })
}

// meaning says what an errno means where the kernel has said nothing.
func (e *explainer) meaning(path string, err error) string {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(errno.ENOEXEC):
		if release := e.builtFor(path); release != "" && release != e.running() {
			return "it was built for kernel " + release + ", and this is " + e.running()
		}
		return "the kernel says this is not a module for it (different version, architecture or configuration)"
	case is(errno.ENODEV), is(errno.ENXIO):
		return "the module found no device of its own"
	case is(errno.ETXTBSY):
		return "the file is open for writing"
	case is(errno.ENOSYS):
		return "this kernel loads no modules"
	case is(syscall.ENOENT):
		return "a module it needs is missing, or something the module itself looked for; " +
			"the kernel's log may say what (dmesg)"
	case is(syscall.EEXIST):
		return "a module of this name is in the kernel already"
	case is(syscall.EISDIR):
		return ""
	case is(syscall.EACCES):
		return "a security module (SELinux, AppArmor, IMA), or the module itself, denied it; " +
			"the log of the kernel or of auditd says which"
	case is(syscall.EBUSY):
		return e.busy(path)
	case is(errno.EAGAIN):
		return "something the module needs is not ready yet; it may work later"
	case is(errno.ENOMEM):
		return "the kernel has no memory for it: none is free, or the part of the address space for modules " +
			"is full"
	case is(errno.ETIMEDOUT):
		return "the module waited in vain, for its device or for firmware"
	case is(errno.EFBIG):
		return "the file is larger than the kernel takes"
	case is(syscall.EINVAL):
		return "a parameter, the module itself or a symbol's version; the kernel's log may say which (dmesg)"
	case is(errno.EOPNOTSUPP):
		return "the module found that this machine or kernel lacks what it is for"
	}
	var code syscall.Errno
	if errors.As(err, &code) {
		return "this is most likely the module's own answer: it was started, and gave up; " +
			"the kernel's log may say why (dmesg)"
	}
	return ""
}

// busy says why the kernel may have answered EBUSY.
func (e *explainer) busy(path string) string {
	if state := e.p.State(alias.FromPath(path)); state.Loaded && !state.Live {
		return "another process is loading or removing it just now"
	}
	return "another process has just failed to load it, or what the module wants for itself is taken"
}

// damage says what is wrong with a damaged module file; "" if nothing is, or it cannot be read.
func (e *explainer) damage(path string) string {
	name, err := sysroot.Name(e.fsys, path)
	if err != nil {
		return ""
	}
	if info, err := fs.Stat(e.fsys, name); err == nil && info.Size() == 0 {
		return "the file " + path + " is empty"
	}
	image, _, err := compress.ReadFile(e.fsys, name, nil, 0)
	if err == nil {
		_, err = elf.Parse(image)
	}
	var broken *compress.Error
	var format *elf.FormatError
	if errors.As(err, &broken) || errors.As(err, &format) {
		return "the file " + path + " is damaged, or no module: " + err.Error()
	}
	return ""
}

// magicWords says in which fields the two strings of the kernel's "version magic 'A' should be 'B'" differ.
func magicWords(words []string) string {
	for _, line := range words {
		_, rest, ok := strings.Cut(line, "version magic '")
		module, rest, ok2 := strings.Cut(rest, "' should be '")
		if !ok || !ok2 {
			continue
		}
		var text []string
		for _, d := range kernel.DiffVermagic(module, strings.TrimSuffix(rest, "'")) {
			text = append(text, d.Field+" is "+orNone(d.Module)+", should be "+orNone(d.Kernel))
		}
		if text != nil {
			return ": " + strings.Join(text, ", ")
		}
	}
	return ""
}

// builtFor returns the release in the version magic of a module file, "" if that cannot be read.
func (e *explainer) builtFor(path string) string {
	name, err := sysroot.Name(e.fsys, path)
	if err != nil {
		return ""
	}
	image, _, err := compress.ReadFile(e.fsys, name, nil, 0)
	if err != nil {
		return ""
	}
	f, err := elf.Parse(image)
	if err != nil {
		return ""
	}
	info, _ := f.Modinfo()
	for _, text := range info {
		if magic, ok := strings.CutPrefix(text, "vermagic="); ok {
			return kernel.MagicRelease(magic)
		}
	}
	return ""
}

// running returns the release of the kernel that modules are loaded into.
func (e *explainer) running() string {
	release, err := e.kernel.Release()
	if err != nil {
		return e.p.Release()
	}
	return release
}

// isPath reports whether an error is about opening or reading the file, and not the kernel's answer.
func isPath(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe)
}

// noPermission says why the kernel may have answered EPERM.
func (e *explainer) noPermission(said func(string) bool, explained bool) string {
	if said("blacklisted") {
		return "module_blacklist= on the kernel's command line names it"
	}
	if data, _ := fs.ReadFile(e.fsys, "proc/sys/kernel/modules_disabled"); strings.TrimSpace(string(data)) == "1" {
		return "modules have been switched off until the next boot (kernel.modules_disabled)"
	}
	if said("Lockdown") || said("unsigned module") {
		return "the kernel is locked down and takes signed modules only" + e.secureBoot()
	}
	if said("LoadPin") {
		return "this kernel takes modules from one file system only (LoadPin), and as they are in their files"
	}
	if e.nested() {
		return "this root is one of a user namespace only (a rootless container): " +
			"modules are loaded by root of the host"
	}
	if !e.capable() {
		return "no CAP_SYS_MODULE: root of the host is needed, in a container also --cap-add SYS_MODULE"
	}
	if explained {
		return ""
	}
	if lockdown := e.lockdown(); lockdown != "" && lockdown != "none" {
		return "the kernel is locked down (" + lockdown + ") and takes signed modules only" + e.secureBoot()
	}
	if e.status("Seccomp") == "2" {
		return "a seccomp filter keeps the system call from the kernel: " +
			"the container's profile or the service's SystemCallFilter= must allow @module"
	}
	return "the kernel, a security module or the module itself does not permit it; " +
		"the kernel's log may say which (dmesg)"
}

// nested reports whether the process is in a user namespace that is not the host's: one that does not know all ids.
func (e *explainer) nested() bool {
	data, err := fs.ReadFile(e.fsys, "proc/self/uid_map")
	fields := strings.Fields(string(data))
	return err == nil && len(fields) >= 3 && fields[2] != "4294967295"
}

// status returns a field of the process's own status, "" if that cannot be told.
func (e *explainer) status(name string) string {
	data, err := fs.ReadFile(e.fsys, "proc/self/status")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), "\n"+name+":")
	text, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(text)
}

// capable reports whether the process has CAP_SYS_MODULE; true if that cannot be told.
func (e *explainer) capable() bool {
	const sysModule = 16
	mask, ok := parseHex(e.status("CapEff"))
	return !ok || mask>>sysModule&1 == 1
}

// parseHex reads a hexadecimal number without prefix.
func parseHex(s string) (n uint64, ok bool) {
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, s != ""
}

// lockdown returns the mode of the lockdown security module: "none", "integrity" or "confidentiality".
func (e *explainer) lockdown() string {
	data, _ := fs.ReadFile(e.fsys, "sys/kernel/security/lockdown")
	_, rest, _ := strings.Cut(string(data), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

// secureBoot returns a hint if Secure Boot is on.
func (e *explainer) secureBoot() string {
	const name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	data, _ := fs.ReadFile(e.fsys, name)
	if len(data) == 5 && data[4] == 1 {
		return "; Secure Boot is on: sign the module with a key enrolled by mokutil"
	}
	return ""
}
