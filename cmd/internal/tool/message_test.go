package tool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/fuzzseed"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestStrerror has glibc's words, which scripts see.
func TestStrerror(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EPERM, "Operation not permitted"},
		{syscall.ENOENT, "No such file or directory"},
		{syscall.ESRCH, "No such process"},
		{syscall.EINTR, "Interrupted system call"},
		{syscall.EIO, "Input/output error"},
		{syscall.ENXIO, "No such device or address"},
		{syscall.E2BIG, "Argument list too long"},
		{syscall.ENOEXEC, "Exec format error"},
		{syscall.EAGAIN, "Resource temporarily unavailable"},
		{syscall.ENOMEM, "Cannot allocate memory"},
		{syscall.EACCES, "Permission denied"},
		{syscall.EFAULT, "Bad address"},
		{syscall.EBUSY, "Device or resource busy"},
		{syscall.EEXIST, "File exists"},
		{syscall.ENODEV, "No such device"},
		{syscall.ENOTDIR, "Not a directory"},
		{syscall.EISDIR, "Is a directory"},
		{syscall.EINVAL, "Invalid argument"},
		{syscall.ENFILE, "Too many open files in system"},
		{syscall.EMFILE, "Too many open files"},
		{syscall.ETXTBSY, "Text file busy"},
		{syscall.EFBIG, "File too large"},
		{syscall.ENOSPC, "No space left on device"},
		{syscall.EROFS, "Read-only file system"},
		{syscall.ERANGE, "Numerical result out of range"},
		{syscall.ENAMETOOLONG, "File name too long"},
		{syscall.ENOSYS, "Function not implemented"},
		{syscall.ELOOP, "Too many levels of symbolic links"},
		{syscall.ENODATA, "No data available"},
		{syscall.ENOPKG, "Package not installed"},
		{syscall.EBADMSG, "Bad message"},
		{syscall.ELIBBAD, "Accessing a corrupted shared library"},
		{syscall.EILSEQ, "Invalid or incomplete multibyte or wide character"},
		{syscall.EOPNOTSUPP, "Operation not supported"},
		{syscall.ETIMEDOUT, "Connection timed out"},
		{syscall.EUCLEAN, "Structure needs cleaning"},
		{syscall.ENOKEY, "Required key not available"},
		{syscall.EKEYEXPIRED, "Key has expired"},
		{syscall.EKEYREVOKED, "Key has been revoked"},
		{syscall.EKEYREJECTED, "Key was rejected by service"},
		{syscall.Errno(524), "Unknown error 524"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "Permission denied"},
		{fmt.Errorf("more: %w", fs.ErrNotExist), "No such file or directory"},
		{errors.ErrUnsupported, "Operation not supported"},
		{errors.New("own words"), "Own words"},
	} {
		if got := strerror(tt.err); got != tt.want {
			t.Errorf("strerror(%v) = %q; want %q", tt.err, got, tt.want)
		}
	}
}

// testLogger returns a logger and where it writes.
func testLogger(level int) (l *logger, stderr *bytes.Buffer, datagrams *[]string) {
	stderr, datagrams = new(bytes.Buffer), new([]string)
	return newLogger(&Env{
		Args:   []string{"/sbin/modprobe"},
		Stderr: stderr,
		Syslog: func(b []byte) error { *datagrams = append(*datagrams, string(b)); return nil },
		Now:    func() time.Time { return time.Date(2026, 11, 2, 6, 19, 21, 0, time.UTC) },
	}, level), stderr, datagrams
}

func TestLogger(t *testing.T) {
	l, stderr, datagrams := testLogger(levelWarning)
	l.fatal("Module %s not found.", "nope")
	l.error("e")
	l.warning("w")
	l.notice("n")
	l.log(levelInfo, "i")
	l.log(9, "hidden")
	l.hint("try %d", 2)
	want := "modprobe: FATAL: Module nope not found.\nmodprobe: ERROR: e\nmodprobe: WARNING: w\nmodprobe: NOTICE: try 2\n"
	if got := stderr.String(); got != want || *datagrams != nil {
		t.Errorf("stderr = %q; want %q; syslog: %q", got, want, *datagrams)
	}
	l.level = 0
	l.error("e")
	l.hint("h")
	if got := stderr.String(); got != want {
		t.Errorf("-q: stderr = %q", got)
	}
	l.level = 9
	l.log(9, "x")
	if got := stderr.String(); !strings.HasSuffix(got, "modprobe: LOG-009: x\n") {
		t.Errorf("stderr = %q", got)
	}
}

// TestSyslog has the datagram as kmod sends it: facility daemon, no process id.
func TestSyslog(t *testing.T) {
	const want = "<26>Nov  2 06:19:21 modprobe: FATAL: Module nope not found\n"
	l, stderr, datagrams := testLogger(levelWarning)
	l.syslog = true
	l.fatal("Module nope not found")
	if !slices.Equal(*datagrams, []string{want}) || stderr.Len() > 0 {
		t.Errorf("syslog = %q, stderr = %q; want %q", *datagrams, stderr, want)
	}
	l, stderr, datagrams = testLogger(levelWarning)
	asked := 0
	l.env.StderrClosed = func() bool { asked++; return true }
	l.log(levelDebug, "not shown")
	if asked != 0 {
		t.Error("asked about stderr before there was a message")
	}
	l.fatal("Module nope not found")
	l.fatal("Module nope not found")
	if !slices.Equal(*datagrams, []string{want, want}) || stderr.Len() > 0 || asked != 1 {
		t.Errorf("stderr closed: syslog = %q, stderr = %q, asked %d times", *datagrams, stderr, asked)
	}
}

func TestSplitWords(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"-q", []string{"-q"}},
		{" -q  -b\t-C 'a b' ", []string{"-q", "-b", "-C", "a b"}},
		{`"x y"z ''`, []string{"x yz", ""}},
		{"-S 'never closed", []string{"-S", "'never closed"}},
		{`a"b 'c' d`, []string{`a"b 'c' d`}},
	} {
		if got := splitWords(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("splitWords(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzSplitWords checks that no byte but blanks and quotes is lost, and that words that were split can be joined again.
func FuzzSplitWords(f *testing.F) {
	fuzzseed.Add(f, " -q  -C 'a b' \"c\"")
	f.Fuzz(func(t *testing.T, text string) {
		drop := strings.NewReplacer(" ", "", "\t", "", "\n", "", "'", "", `"`, "")
		words := splitWords(text)
		if got, want := drop.Replace(strings.Join(words, "")), drop.Replace(text); got != want {
			t.Fatalf("%q has become %q", text, words)
		}
		if strings.ContainsAny(text, "'\"") {
			return
		}
		if again := splitWords(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Fatalf("%q is split into %q, and that into %q", text, words, again)
		}
	})
}

func TestQuoteParams(t *testing.T) {
	for _, tt := range []struct {
		in   []string
		want string
	}{
		{nil, ""},
		{[]string{"a=1", "b"}, "a=1 b"},
		{[]string{"a=x y", "b c", `d="x y"`, "e='x y'"}, `a="x y" b c d="x y" e='x y'`},
		{[]string{"", "a", "", "b"}, "a  b"},
		{[]string{"a=", "=b c"}, `a= ="b c"`},
	} {
		if got := quoteParams(tt.in); got != tt.want {
			t.Errorf("quoteParams(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"5", 5 * time.Millisecond, true},
		{"0x10", 16 * time.Millisecond, true},
		{"010", 8 * time.Millisecond, true},
		{" +3", 3 * time.Millisecond, true},
		{"-1", 0, true},
		{"99999999999999999999", 24 * time.Hour, true},
		{"", 0, false},
		{"5x", 0, false},
		{"1_0", 0, false},
	} {
		if got, ok := milliseconds(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("milliseconds(%q) = %v, %v; want %v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

// TestRecursion has an install command that runs modprobe for its own module.
func TestRecursion(t *testing.T) {
	depth := 0
	var env map[string]string
	r := &modprobeRun{environ: []string{"-C", "a b", "-q"}}
	r.logger = newLogger(&Env{
		Args:      []string{"modprobe"},
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Shell: func(_ string, variables []string) error {
			env = make(map[string]string)
			for _, v := range variables {
				name, value, _ := strings.Cut(v, "=")
				env[name] = value
			}
			depth++
			return r.shell(t.Context(), "modprobe m", "m")
		},
	}, levelWarning)
	err := r.shell(t.Context(), "modprobe m", "m")
	if !errors.Is(err, modprobe.ErrRecursion) || depth > 10 {
		t.Errorf("after %d commands: %v; want ErrRecursion", depth, err)
	}
	if got := env["MODPROBE_OPTIONS"]; !strings.HasPrefix(got, "-C 'a b' -q") || env["MODPROBE_MODULE"] != "m" {
		t.Errorf("environment %q", env)
	}
}
