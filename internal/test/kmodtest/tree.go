package kmodtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Tree writes the modules to a new temporary folder and returns it: files are at ROOT/lib/modules/RELEASE/PATH.
// There are no tables; see [OracleCmd.Depmod].
func Tree(t testing.TB, release string, mods ...Module) (root string) {
	t.Helper()
	return (&Spec{Release: release, Modules: mods}).Tree(t)
}

// Tree writes the tree to a new temporary folder and returns it.
func (s *Spec) Tree(t testing.TB) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := s.Write(root); err != nil {
		t.Fatal(err)
	}
	return root
}

// Write writes the tree below root: modules, modules.order and the files of builtin modules.
func (s *Spec) Write(root string) error {
	dir := filepath.Join(root, "lib/modules", or(s.Release, "6.1.0"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, m := range s.Modules {
		if m.Vermagic == "" {
			m.Vermagic = vermagic(or(s.Release, "6.1.0"))
		}
		p := or(m.Path, "kernel/"+m.Name+".ko")
		image, err := compress(m.Compress, m.Bytes())
		if err != nil {
			return err
		}
		if m.Compress != "" {
			p += "." + m.Compress
		}
		if err := writeFile(filepath.Join(dir, p), image); err != nil {
			return err
		}
	}
	if s.Order != nil {
		if err := writeFile(filepath.Join(dir, "modules.order"), lines(s.Order)); err != nil {
			return err
		}
	}
	if s.Builtins == nil {
		return nil
	}
	var paths []string
	var info []byte
	for _, b := range s.Builtins {
		paths = append(paths, b.Path)
		name := strings.ReplaceAll(strings.TrimSuffix(path.Base(b.Path), ".ko"), "-", "_")
		for _, s := range b.Info {
			info = append(append(info, name+"."+s...), 0)
		}
	}
	if err := writeFile(filepath.Join(dir, "modules.builtin"), lines(paths)); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "modules.builtin.modinfo"), info)
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func lines(all []string) []byte {
	var b []byte
	for _, s := range all {
		b = append(append(b, s...), '\n')
	}
	return b
}

// compress returns data in the format of a file name's extension, as the kernel's build makes it: gz by
// compress/gzip, xz (with CRC32, the only check the kernel knows) and zst by the programs of that name.
func compress(ext string, data []byte) ([]byte, error) {
	var cmd *exec.Cmd
	switch ext {
	case "":
		return data, nil
	case "gz":
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(data) // a bytes.Buffer does not fail
		w.Close()
		return b.Bytes(), nil
	case "xz":
		cmd = exec.Command("xz", "--check=crc32", "--lzma2=dict=1MiB", "-c")
	case "zst":
		// kmod wants the size in the frame
		cmd = exec.Command("zstd", "-q", "-3", "-c", fmt.Sprintf("--stream-size=%d", len(data)))
	default:
		return nil, fmt.Errorf("unknown compression %q", ext)
	}
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	return out, nil
}
