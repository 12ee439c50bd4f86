package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Levels of messages, the priorities of syslog(3).
const (
	levelFatal   = 2
	levelError   = 3
	levelWarning = 4
	levelNotice  = 5
	levelInfo    = 6
	levelDebug   = 7
)

// versionText begins as kmod's --version does: scripts look for its first three words.
const versionText = "kmod version 34 (gomodprobe 0.1)\n+ZSTD +XZ +ZLIB -OPENSSL\n"

// A logger writes messages for people: "PROGRAM: LEVEL: text" on standard error or to syslog.
type logger struct {
	env    *Env
	prog   string // base name of argv[0]
	level  int    // messages of a higher priority number are not shown
	syslog bool
	asked  bool // whether StderrClosed has been asked
}

// newLogger returns a logger for the tool that env runs.
func newLogger(env *Env, level int) *logger {
	return &logger{env: env, prog: program(env), level: level}
}

// fatal and the others show a message of their level.
func (l *logger) fatal(format string, args ...any) { l.log(levelFatal, format, args...) }

func (l *logger) error(format string, args ...any) { l.log(levelError, format, args...) }

func (l *logger) warning(format string, args ...any) { l.log(levelWarning, format, args...) }

func (l *logger) notice(format string, args ...any) { l.log(levelNotice, format, args...) }

func (l *logger) debug(format string, args ...any) { l.log(levelDebug, format, args...) }

// log shows one message, without a newline at its end, if its level is wanted.
func (l *logger) log(level int, format string, args ...any) {
	if level > l.level {
		return
	}
	text := levelWord(level) + ": " + fmt.Sprintf(format, args...) + "\n"
	if !l.toSyslog() {
		fmt.Fprint(l.env.Stderr, l.prog, ": ", text)
		return
	}
	const daemon = 3 << 3
	stamp := l.env.Now().Format("Jan _2 15:04:05")
	l.env.Syslog(fmt.Appendf(nil, "<%d>%s %s: %s", daemon|level, stamp, l.prog, text))
}

// toSyslog reports where messages go.
func (l *logger) toSyslog() bool {
	if !l.syslog && !l.asked {
		l.asked = true
		l.syslog = l.env.StderrClosed != nil && l.env.StderrClosed()
	}
	return l.syslog
}

// usage shows a mistake on the command line; its prefix is argv[0] as it was typed, and it never goes to syslog.
func (l *logger) usage(err error) int {
	fmt.Fprintf(l.env.Stderr, "%s: %v\n", l.env.Args[0], err)
	return 1
}

// noTree says that there are no modules for a kernel, below root if that is not "".
func noTree(p *modprobe.Prober, root string) string {
	if root != "" {
		root = " below " + root
	}
	return "there is no module tree " + p.Dir() + root + ": install the kernel's modules, or, in a container, mount the host's /lib/modules"
}

// levelWord is the LEVEL in "PROGRAM: LEVEL: text".
func levelWord(level int) string {
	switch level {
	case levelFatal:
		return "FATAL"
	case levelError:
		return "ERROR"
	case levelWarning:
		return "WARNING"
	case levelNotice:
		return "NOTICE"
	case levelInfo:
		return "INFO"
	case levelDebug:
		return "DEBUG"
	}
	return fmt.Sprintf("LOG-%03d", level)
}

// strerror returns glibc's text for an error of the system. Go's texts for an errno are glibc's with a small first
// letter; wrappers such as *fs.PathError are taken off.
func strerror(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	switch {
	case err == fs.ErrNotExist:
		return "No such file or directory"
	case err == fs.ErrExist:
		return "File exists"
	case err == fs.ErrPermission:
		return "Operation not permitted"
	case err == fs.ErrInvalid:
		return "Invalid argument"
	case err == errors.ErrUnsupported:
		return "Operation not supported"
	}
	text := err.Error()
	if number, ok := strings.CutPrefix(text, "errno "); ok {
		return "Unknown error " + number
	}
	if text != "" && 'a' <= text[0] && text[0] <= 'z' {
		text = string(text[0]-'a'+'A') + text[1:]
	}
	return text
}
