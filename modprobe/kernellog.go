package modprobe

import (
	"errors"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/errno"
)

// Logger is a Kernel whose log can be read. [Running] is one on Linux, and so is the kernel of modprobetest. With other
// Kernels, Error.Reason lacks the kernel's own words.
type Logger interface {
	// Listen opens the kernel's log at its end.
	Listen() (Log, error)
}

// Log is the kernel's log, from some point on.
type Log interface {
	// Skip goes to the end of the log.
	Skip()
	// Lines returns the lines since the last Skip or Lines, without waiting for more.
	Lines() []string
	// Close closes the log.
	Close() error
}

// listen starts collecting the kernel's log for reason; lines from before are dropped.
func (r *runner) listen() {
	r.said = nil
	if !r.listening {
		r.listening = true
		if k, ok := r.p.kernel.(Logger); ok {
			r.log, _ = k.Listen()
		}
		return
	}
	if r.log != nil {
		r.log.Skip()
	}
}

// logged returns the lines of the kernel's log since listen.
func (r *runner) logged() []string {
	if r.log != nil {
		r.said = append(r.said, r.log.Lines()...)
	}
	return r.said
}

// reason says in plain words why a module was not inserted: first what the kernel said about it, then what
// Options.Explain knows.
func (r *runner) reason(s *Step, err error) string {
	words := about(s.Module, err, r.logged())
	if explain := r.p.opts.Explain; explain != nil {
		if text := explain(r.p, s.Module.Path, err, words); text != "" {
			words = append(words, text)
		}
	}
	return strings.Join(words, "; ")
}

// notExpanded reports whether a line says that the kernel has not reached the module in a compressed file: it could not
// expand the file, or the integrity check (IMA), to which older kernels pass the file as it is, refused it.
func notExpanded(line string) bool {
	for _, text := range []string{"decompression failed", " compressed module", "decompressor", "appraise_data"} {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// about picks the lines that are about the insertion of a module that failed with err, each once.
func about(m Module, err error, lines []string) (words []string) {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		relevant := names(line, m) || ofLoader(line) || errors.Is(err, errno.ENOMEM) && ofMemory(line)
		if !relevant || strings.Contains(line, "tainting kernel") || strings.Contains(line, "taints kernel") ||
			slices.Contains(words, line) {
			continue
		}
		words = append(words, line)
	}
	const most = 4
	if len(words) > most {
		words = append(words[:most], "…")
	}
	return words
}

// names reports whether a line names the module or its file. Drivers put their name in front, or their name and their
// device's ("foo 0000:00:01.0: …"), spelled with dashes or underscores.
func names(line string, m Module) bool {
	file := m.Path[strings.LastIndexByte(m.Path, '/')+1:]
	if file != "" && (strings.Contains(line, "/"+file) || strings.Contains(line, `"`+file)) {
		return true
	}
	line = strings.ReplaceAll(line, "-", "_")
	if rest, ok := strings.CutPrefix(line, m.Name); ok {
		return strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, " ") && strings.Contains(rest, ": ")
	}
	for _, quotes := range []string{"''", "[]", `""`, "`'"} {
		if strings.Contains(line, quotes[:1]+m.Name+quotes[1:]) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(line, "Module "+m.Name)
	if !ok {
		rest, ok = strings.CutPrefix(line, "module "+m.Name)
	}
	return ok && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, ":"))
}

// ofLoader reports whether a line is from the kernel's loader, or from a security module about loading. Such lines do
// not name the module.
func ofLoader(line string) bool {
	for _, begin := range []string{
		"Loading of ", "Lockdown: ", "Invalid ", "Only one .modinfo", "module: ", "decompression failed",
		"PKCS#7 ", "LoadPin: ", "BPF:",
	} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	if strings.Contains(line, "denied") &&
		(strings.Contains(line, "module_load") || strings.Contains(line, "sys_module")) {
		return true // SELinux, AppArmor
	}
	return notExpanded(line)
}

// ofMemory reports whether a line is about memory that could not be allocated.
func ofMemory(line string) bool {
	for _, text := range []string{
		"vmap allocation", "vmalloc", "page allocation failure", "percpu: allocation failed",
	} {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
