package tool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// runTool runs a tool in this process and returns what it prints and its status.
func runTool(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	env := cli.System()
	var out, errs bytes.Buffer
	env.Args, env.Stdout, env.Stderr = args, &out, &errs
	env.StderrClosed = nil
	status = tool.Main(env)
	return out.String(), errs.String(), status
}

// runOracle runs real kmod and returns the same.
func runOracle(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := kmodtest.Oracle(t).Command(args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// compare runs both and fails on any difference.
func compare(t *testing.T, args ...string) {
	t.Helper()
	wantOut, wantErr, wantStatus := runOracle(t, args...)
	out, errs, status := runTool(t, args...)
	if out != wantOut {
		t.Errorf("stdout of %.100q differs from kmod (-kmod +ours):\n%s", args, firstDiff(wantOut, out))
	}
	if errs != wantErr {
		t.Errorf("stderr of %.100q differs from kmod (-kmod +ours):\n%s", args, firstDiff(wantErr, errs))
	}
	if status != wantStatus {
		t.Errorf("status of %.100q = %d; kmod's is %d", args, status, wantStatus)
	}
}

// firstDiff shows the lines around the first difference of long texts.
func firstDiff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	near := func(l []string) []string { return l[max(0, min(i-2, len(l))):min(len(l), i+4)] }
	return cmp.Diff(near(a), near(b))
}

// corpora returns the kernels that a test walks through: one small one, all with GOMODPROBE_LONG.
func corpora() []string {
	if os.Getenv("GOMODPROBE_LONG") == "" {
		return []string{"6.1-cloud"}
	}
	return []string{"6.1-cloud", "5.10", "6.1", "6.1-prev", "6.12", "6.12-cloud", "7.2"}
}

// names returns the first words of a table: the modules of modules.dep, the patterns of modules.alias.
func names(t *testing.T, dir, release, table string) (names []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, table))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		switch words := strings.Fields(line); {
		case len(words) == 0 || words[0] == "#":
		case table == "modules.dep" || table == "modules.builtin":
			base, _, _ := strings.Cut(filepath.Base(strings.TrimSuffix(words[0], ":")), ".")
			names = append(names, base)
		default:
			names = append(names, words[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("nothing in %s", table)
	}
	return names
}

// TestCorpusShowDepends compares -D for every module, builtin ones included.
func TestCorpusShowDepends(t *testing.T) {
	for _, key := range append(corpora(), "6.1") {
		t.Run(key, func(t *testing.T) {
			dir, release := kmodtest.Corpus(t, key)
			args := []string{"modprobe", "-d", dir, "-S", release, "-C", kmodtest.MergedSoftdeps(t, dir, release), "-a", "-D"}
			args = append(args, names(t, dir, release, "modules.dep")...)
			compare(t, append(args, names(t, dir, release, "modules.builtin")...)...)
		})
	}
}

// TestCorpusResolve compares -R for every pattern of modules.alias and modules.symbols, made into names that match.
func TestCorpusResolve(t *testing.T) {
	for _, key := range corpora() {
		t.Run(key, func(t *testing.T) {
			dir, release := kmodtest.Corpus(t, key)
			var queries []string
			for i, pattern := range slices.Concat(names(t, dir, release, "modules.alias"), names(t, dir, release, "modules.symbols")) {
				queries = append(queries, matching(pattern, []string{"", "1", "00AB"}[i%3]))
			}
			for chunk := range slices.Chunk(queries, 5000) {
				compare(t, append([]string{"modprobe", "-d", dir, "-S", release, "-C", "/nonexistent", "-a", "-R"}, chunk...)...)
			}
		})
	}
}

// matching returns a name that a pattern matches, with star in place of every '*'.
func matching(pattern, star string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(star)
		case '?':
			b.WriteByte('a')
		case '[':
			b.WriteByte(pattern[i+1])
			i += strings.IndexByte(pattern[i:], ']')
		case '\\':
			i++
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestCorpusShowConfig compares -c. The one difference is the blank that kmod forgets between the lists of a softdep.
func TestCorpusShowConfig(t *testing.T) {
	for _, key := range corpora() {
		t.Run(key, func(t *testing.T) {
			dir, release := kmodtest.Corpus(t, key)
			args := []string{"modprobe", "-d", dir, "-S", release, "-c"}
			want, _, _ := runOracle(t, args...)
			got, _, status := runTool(t, args...)
			if status != 0 {
				t.Fatalf("status %d", status)
			}
			got = strings.ReplaceAll(got, " post: ", "post: ")
			want = strings.ReplaceAll(want, " post: ", "post: ")
			if got != want {
				t.Errorf("differs (-kmod +ours):\n%s", firstDiff(want, got))
			}
		})
	}
}
