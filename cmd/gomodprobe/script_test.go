package main_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestScripts runs testdata/script/*.txtar. The language is testscript's; its README.md says what we add.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               setup,
		Cmds:                commands(),
		Condition: func(cond string) (bool, error) {
			if cond == "shell" {
				return kmodtest.HasShell(t), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// script is what a running script keeps between its commands.
type script struct {
	*kmodtest.Sandbox
	t       testing.TB
	last    *kmodtest.Result
	answers map[string]syscall.Errno // by module name, for every call about it
}

type scriptKey struct{}

func setup(env *testscript.Env) error {
	t := env.T().(testing.TB)
	s := &script{Sandbox: kmodtest.SandboxAt(t, env.WorkDir), t: t, answers: make(map[string]syscall.Errno)}
	s.Answer = func(c kmodtest.Call) (syscall.Errno, bool) {
		errno, ok := s.answers[c.ModuleName()]
		return errno, ok
	}
	env.Values[scriptKey{}] = s
	return nil
}

// tools are the names our binary goes by.
var tools = []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod", "gomodprobe", "godepmod", "goinitramfs"}

type command = func(ts *testscript.TestScript, neg bool, args []string)

func commands() map[string]command {
	all := map[string]command{"oracle": oracle, "mktree": mktree, "kernel": kernel, "status": status}
	for _, tool := range tools {
		all[tool] = func(ts *testscript.TestScript, neg bool, args []string) {
			s := of(ts)
			s.done(ts, neg, s.run(s.command(ts, tool, args)))
		}
	}
	return all
}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// command makes a command line run in the script's current folder, with those variables of its environment that
// the tools look at.
func (s *script) command(ts *testscript.TestScript, tool string, args []string) kmodtest.Run {
	run := kmodtest.Run{Args: append([]string{tool}, args...), Env: []string{"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"}}
	for _, name := range []string{"MODPROBE_OPTIONS", "MODPROBE_MODULE", "POSIXLY_CORRECT", "KMOD_LOG"} {
		if value := ts.Getenv(name); value != "" {
			run.Env = append(run.Env, name+"="+value)
		}
	}
	run.Dir = strings.TrimPrefix(ts.MkAbs("."), s.Root)
	return run
}

// byKmod runs real kmod instead of our tools: are the scripts right about it?
var byKmod = os.Getenv("SCRIPTS_BY_KMOD") != ""

func (s *script) run(run kmodtest.Run) *kmodtest.Result {
	if byKmod {
		return s.Kmod(s.t, run)
	}
	return s.Ours(s.t, run)
}

// status N TOOL ARGS... runs a tool that has to end with status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || len(args) < 2 || !slices.Contains(tools, args[1]) {
		ts.Fatalf("usage: status N TOOL [ARGS...]")
	}
	r := s.run(s.command(ts, args[1], args[2:]))
	s.show(ts, r)
	if strconv.Itoa(r.Status) != args[0] {
		ts.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
}

// show hands what a tool has written to the script.
func (s *script) show(ts *testscript.TestScript, r *kmodtest.Result) {
	s.last = r
	fmt.Fprint(ts.Stdout(), r.Stdout)
	fmt.Fprint(ts.Stderr(), r.Stderr)
	for _, c := range r.Calls {
		ts.Logf("[kernel] %v", c)
	}
}

// done hands the result of a tool to the script: stdout, stderr, and whether it had to fail.
func (s *script) done(ts *testscript.TestScript, neg bool, r *kmodtest.Result) {
	s.show(ts, r)
	switch {
	case r.Status < 0 || r.Status > 1 || strings.Contains(r.Stderr, "panic: "):
		ts.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	case neg && r.Status == 0:
		ts.Fatalf("unexpected success")
	case !neg && r.Status != 0:
		ts.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
}

// oracle [-more] TOOL ARGS... runs a tool as it would run alone, and real kmod from the same state: both must print
// the same, exit alike, make the same calls, and leave the same files. With -more, ours may have more lines on stderr,
// which say why. Without kmod, ours is run alone.
func oracle(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	more := len(args) > 0 && args[0] == "-more"
	if more {
		args = args[1:]
	}
	if len(args) == 0 || !slices.Contains(tools, args[0]) {
		ts.Fatalf("usage: oracle [-more] TOOL [ARGS...]")
	}
	run := s.command(ts, args[0], args[1:])
	if !s.HasOracle() || byKmod {
		s.done(ts, neg, s.run(run))
		return
	}
	ours, kmod, ourState, kmodState := s.Compare(s.t, run)
	compared := *ours
	if more {
		compared.Stderr = common(ours.Stderr, kmod.Stderr)
	}
	if diff := cmp.Diff(kmod.String(), compared.String()); diff != "" {
		ts.Fatalf("differs from kmod (-kmod +ours):\n%s", diff)
	}
	if diff := kmodState.Diff(ourState); len(diff) > 0 {
		ts.Fatalf("leaves other files than kmod (first: kmod's):\n%s", strings.Join(diff, "\n"))
	}
	s.done(ts, neg, ours)
}

// common returns those lines of a that are in b, as long as they come in b's order.
func common(a, b string) string {
	var lines strings.Builder
	want := strings.SplitAfter(b, "\n")
	for line := range strings.SplitAfterSeq(a, "\n") {
		if len(want) > 0 && line == want[0] {
			lines.WriteString(line)
			want = want[1:]
		}
	}
	return lines.String()
}

// mktree [-n] FILE makes the module tree that FILE describes, see kmodtest.ParseSpec, and its tables; -n: no tables.
// The tables are real kmod's where it is.
func mktree(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	tables := true
	if len(args) == 2 && args[0] == "-n" {
		tables, args = false, args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mktree [-n] FILE")
	}
	spec, err := kmodtest.ParseSpec(ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Check(spec.Write(s.Root))
	s.Release = spec.Release
	if !tables {
		return
	}
	depmod := s.Ours
	if s.HasOracle() {
		depmod = s.Kmod
	}
	if r := depmod(s.t, kmodtest.Run{Args: []string{"depmod", spec.Release}}); r.Status != 0 {
		ts.Fatalf("depmod: %v", r)
	}
}

// kernel drives and checks the kernel the tools run on: see README.md beside the scripts.
func kernel(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: kernel want|answer|loaded|release ARGS...")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "want":
		var got []string
		if s.last != nil {
			for _, c := range s.last.Calls {
				got = append(got, c.String())
			}
		}
		if !slices.Equal(got, args) {
			ts.Fatalf("calls (-want +got):\n%s", cmp.Diff(args, got))
		}
	case "answer":
		if len(args) != 2 {
			ts.Fatalf("usage: kernel answer MODULE ERRNO|ok|usual")
		}
		switch errno, ok := errnos[args[1]]; {
		case args[1] == "usual":
			delete(s.answers, args[0])
		case ok:
			s.answers[args[0]] = errno
		default:
			ts.Fatalf("unknown errno %s", args[1])
		}
	case "loaded":
		s.SetLoaded(s.t, args...)
	case "release":
		s.Release = strings.Join(args, " ")
	default:
		ts.Fatalf("unknown: kernel %s", verb)
	}
}

var errnos = map[string]syscall.Errno{
	"ok": 0, "EPERM": syscall.EPERM, "ENOENT": syscall.ENOENT, "ENOEXEC": syscall.ENOEXEC, "EAGAIN": syscall.EAGAIN,
	"ENOMEM": syscall.ENOMEM, "EBUSY": syscall.EBUSY, "EEXIST": syscall.EEXIST, "ENODEV": syscall.ENODEV, "EINVAL": syscall.EINVAL,
	"ENOSYS": syscall.ENOSYS, "EOPNOTSUPP": syscall.EOPNOTSUPP, "EKEYREJECTED": 129, "ENOKEY": 126,
}
