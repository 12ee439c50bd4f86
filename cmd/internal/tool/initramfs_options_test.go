package tool_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
)

// TestInitramfsEmptyValues: an option whose value a script left empty is not taken for one that was not given: an
// image of another kernel or another root would come of that.
func TestInitramfsEmptyValues(t *testing.T) {
	for _, args := range [][]string{
		{"build", "--root="}, {"build", "-k", ""}, {"build", "--profile", ""}, {"build", "-o", ""}, {"build", "--add="}, {"check", "--root=", "image"},
	} {
		var stdout, stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args: append([]string{"goinitramfs"}, args...), LookupEnv: func(string) (string, bool) { return "", false },
			FS: os.DirFS(t.TempDir()), Stdout: &stdout, Stderr: &stderr, Cwd: func() (string, error) { return "/", nil },
		})
		if status != 2 || stdout.Len() > 0 || !strings.HasSuffix(stderr.String(), " has an empty value\n") {
			t.Errorf("%q: status %d, %q, %q; want 2 and that it has an empty value", args, status, stdout.String(), stderr.String())
		}
	}
}
