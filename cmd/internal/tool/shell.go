package tool

import "os"

// shell runs a command as system(3) does: by /bin/sh -c, on our own standard streams.
func shell(command string, env []string) (Exit, error) {
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", command}, &os.ProcAttr{
		Env:   append(os.Environ(), env...),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return Exit{}, err
	}
	state, err := p.Wait()
	if err != nil {
		return Exit{}, err
	}
	if status, ok := state.Sys().(interface{ Signaled() bool }); ok && status.Signaled() {
		return Exit{Signal: state.String()}, nil
	}
	return Exit{Code: state.ExitCode()}, nil
}
