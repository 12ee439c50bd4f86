package modprobe

import "strings"

// Logger is a Kernel that can be listened to. [Running] and the kernel of modprobetest are; a Kernel that is not
// leaves Error.Reason to what can be told without.
type Logger interface {
	// Listen returns the kernel's log from now on.
	Listen() (Log, error)
}

// Log is what the kernel says.
type Log interface {
	// Skip forgets what has been said until now.
	Skip()
	// Lines returns what has been said since the last Skip or Lines, without waiting.
	Lines() []string
	// Close ends listening.
	Close() error
}

// listen makes reason hear what the kernel says from now on.
func (r *runner) listen() {
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

// reason says in plain words why a module was not inserted: first what the kernel said about it, then what
// Options.Explain knows.
func (r *runner) reason(s *Step, err error) string {
	var words []string
	if r.log != nil {
		words = about(s.Module.Name, r.log.Lines())
	}
	if explain := r.p.opts.Explain; explain != nil {
		if text := explain(r.p, s.Module.Path, err, words); text != "" {
			words = append(words, text)
		}
	}
	return strings.Join(words, "; ")
}

// about picks the lines that are about the insertion of a module.
func about(module string, lines []string) (words []string) {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, module+":"),
			strings.Contains(line, "'"+module+"'"),
			strings.HasPrefix(line, "Module "+module+" "),
			strings.HasPrefix(line, "module "+module+":"):
		case strings.HasPrefix(line, "Loading of "), strings.HasPrefix(line, "Lockdown: "),
			strings.HasPrefix(line, "Invalid "), strings.HasPrefix(line, "Only one .modinfo"),
			strings.HasPrefix(line, "module: "), strings.HasPrefix(line, "decompression failed"),
			strings.HasPrefix(line, "PKCS#7 "), strings.HasPrefix(line, "LoadPin: "):
		default:
			continue
		}
		if strings.Contains(line, "tainting kernel") || strings.Contains(line, "taints kernel") {
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
