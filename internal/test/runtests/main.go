// Command runtests runs go test with the given arguments, prints what go test prints, and says at the end how many
// tests passed, failed and were skipped, and why they were skipped. "make test" runs it.
//
// With CI=true a skipped test fails the run, unless skips.txt beside this file lists the reason.
package main

import (
	_ "embed" // skips.txt
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

//go:embed skips.txt
var skips string

func main() {
	status, err := run(os.Args[1:], os.Stdout, os.Stderr, os.Getenv("CI") == "true")
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
	}
	os.Exit(status)
}

// run runs go test and returns the status to end with: that of go test, or 1 if only a skipped test makes it fail.
func run(args []string, stdout, stderr io.Writer, ci bool) (status int, err error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	r := newReport(stdout)
	rerr := r.read(out)
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		status, err = max(exit.ExitCode(), 1), nil // ended by a signal, it has status -1
	case err != nil:
		return 1, err
	}
	ok := r.summary(ci, skips)
	if status == 0 && (!ok || rerr != nil) {
		status = 1
	}
	return status, rerr
}
