package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/near"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Levels of messages, the priorities of syslog(3).
const (
	LevelFatal   = 2
	LevelError   = 3
	LevelWarning = 4
	LevelNotice  = 5
	LevelInfo    = 6
	LevelDebug   = 7
)

// NotInBoot is the message for an option that a build with the tag kmod_boot lacks. Such a build is for boot images,
// which are read and unpacked as a whole at boot: it leaves out what only a running system needs.
const NotInBoot = "%s is not in this build, which was made small for boot images; use a full gomodprobe"

// A Logger writes messages for people: "PROGRAM: LEVEL: text" on standard error or to syslog.
type Logger struct {
	Env    *Env            // where the tool runs
	Prog   string          // base name of argv[0]
	Level  int             // messages of a higher priority number are not shown
	Syslog bool            // messages go to syslog
	asked  bool            // StderrClosed has been called
	hinted map[string]bool // the hints that were shown
}

// NewLogger returns a logger for the tool that env runs.
func NewLogger(env *Env, level int) *Logger {
	return &Logger{Env: env, Prog: Program(env), Level: level}
}

// Fatalf says why the tool ends.
func (l *Logger) Fatalf(format string, args ...any) { l.Logf(LevelFatal, format, args...) }

// Errorf says what failed.
func (l *Logger) Errorf(format string, args ...any) { l.Logf(LevelError, format, args...) }

// Warningf says what may be wrong.
func (l *Logger) Warningf(format string, args ...any) { l.Logf(LevelWarning, format, args...) }

// Noticef says what is worth knowing.
func (l *Logger) Noticef(format string, args ...any) { l.Logf(LevelNotice, format, args...) }

// Debugf says what helps to find a mistake.
func (l *Logger) Debugf(format string, args ...any) { l.Logf(LevelDebug, format, args...) }

// Logf shows a message, without a newline at its end, if its level is wanted.
func (l *Logger) Logf(level int, format string, args ...any) {
	if level <= l.Level {
		l.print(level, format, args...)
	}
}

// Hintf says what to do about the error shown before it. It is shown whenever that error is; the same words once.
func (l *Logger) Hintf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.Level < LevelError || l.hinted[text] {
		return
	}
	if l.hinted == nil {
		l.hinted = make(map[string]bool)
	}
	l.hinted[text] = true
	l.print(LevelNotice, "%s", text)
}

// print writes a message to standard error or to syslog.
func (l *Logger) print(level int, format string, args ...any) {
	text := levelWord(level) + ": " + fmt.Sprintf(format, args...) + "\n"
	if !l.toSyslog() {
		fmt.Fprint(l.Env.Stderr, l.Prog, ": ", text)
		return
	}
	const daemon = 3 << 3
	stamp := l.Env.Now().Format("Jan _2 15:04:05")
	l.Env.Syslog(fmt.Appendf(nil, "<%d>%s %s: %s", daemon|level, stamp, l.Prog, text))
}

// toSyslog reports whether messages go to syslog: -s was given, or there is no standard error.
func (l *Logger) toSyslog() bool {
	if !l.Syslog && !l.asked {
		l.asked = true
		l.Syslog = l.Env.StderrClosed != nil && l.Env.StderrClosed()
	}
	return l.Syslog
}

// Usage shows a mistake on the command line; its prefix is argv[0] as it was typed, and it never goes to syslog. Of the
// options that there are it names the nearest to one that there is not.
func (l *Logger) Usage(err error, options []getopt.Option) int {
	fmt.Fprintf(l.Env.Stderr, "%s: %v\n", l.Env.Args[0], err)
	if text := err.Error(); strings.HasPrefix(text, "unrecognized option") ||
		strings.HasPrefix(text, "invalid option") {
		l.Hintf("%s--help lists the options", nearestOption(text, options))
	}
	return 1
}

// nearestOption returns a question about the options that a message about an unrecognized one may have meant, or "".
func nearestOption(message string, options []getopt.Option) string {
	_, typed, _ := strings.Cut(message, "unrecognized option '--")
	typed, _, _ = strings.Cut(strings.TrimSuffix(typed, "'"), "=")
	if typed == "" {
		return ""
	}
	var found []string
	for _, o := range options {
		if len(typed) > 2 && strings.HasPrefix(o.Long, typed) {
			found = append(found, o.Long)
		}
	}
	if found == nil {
		found = near.Words(typed, func(yield func(string) bool) {
			for _, o := range options {
				if o.Long != "" && !yield(o.Long) {
					return
				}
			}
		})
	}
	return question("--", found)
}

// DidYouMean returns a question about the commands that a mistyped one may have meant, and a blank; "" if none is near.
func DidYouMean(typed string, commands ...string) string {
	return question("", near.Words(typed, slices.Values(commands)))
}

// question asks if one of the words was meant, each with a prefix.
func question(prefix string, found []string) string {
	const most = 3
	if len(found) == 0 {
		return ""
	}
	return "did you mean " + prefix + strings.Join(found[:min(len(found), most)], " or "+prefix) + "? "
}

// NoTree returns a hint that there are no modules for a kernel; root is the folder of --root, or "".
func NoTree(p *modprobe.Prober, root string) string {
	if root != "" {
		root = " below " + root
	}
	o := p.Options()
	text := "there is no module tree " + p.Dir() + root
	if releases, err := modprobe.Releases(o.FS, o.Dir); err == nil {
		const most = 5
		if len(releases) > most {
			releases = append(releases[:most:most], "…")
		}
		return text + "; there are modules for " + strings.Join(releases, ", ")
	}
	return text + ": install the kernel's modules, or, in a container, mount the host's /lib/modules"
}

// Unlisted returns a hint if the file of a module exists but is in no table, else "".
func Unlisted(p *modprobe.Prober, name string) string {
	file, ok := p.Unlisted(name)
	if !ok {
		return ""
	}
	return file + " is there, but in no table: run depmod " + p.Release()
}

// Judged returns a hint if something is wrong with the tables of a module folder, else "".
func Judged(p *modprobe.Prober) string {
	fsys := p.Options().FS
	name, err := FSName(fsys, p.Dir())
	if err != nil {
		return ""
	}
	config, _, _ := moduledir.ReadConfig(fsys, moduledir.ConfigDirs(), p.Release()) // depmod says what is wrong there
	fault := moduledir.Judge(fsys, moduledir.Dir{Path: p.Dir(), Name: name, Exists: true}, config)
	if fault == nil {
		return ""
	}
	return fault.Advice(p.Dir(), p.Release())
}

// levelWord is the LEVEL in "PROGRAM: LEVEL: text".
func levelWord(level int) string {
	switch level {
	case LevelFatal:
		return "FATAL"
	case LevelError:
		return "ERROR"
	case LevelWarning:
		return "WARNING"
	case LevelNotice:
		return "NOTICE"
	case LevelInfo:
		return "INFO"
	case LevelDebug:
		return "DEBUG"
	}
	return fmt.Sprintf("LOG-%03d", level)
}

// Strerror returns glibc's text for an error of the system. Of wrapped errors the innermost counts.
func Strerror(err error) string {
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
	return errno.Text(err)
}

// ErrnoText returns the text of the errno that err wraps, or of the innermost error if there is none.
func ErrnoText(err error) string {
	var code syscall.Errno
	if errors.As(err, &code) {
		return Strerror(code)
	}
	return Strerror(err)
}
