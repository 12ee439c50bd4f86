package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// writeArchives makes one .tar.gz and one bill of materials a target, and SHA256SUMS of them all.
func writeArchives(ctx context.Context, r *release) error {
	var made []string
	for _, b := range r.binaries {
		name := fmt.Sprintf("gomodprobe_%s_linux_%s", r.version, b.target.name)
		files, err := archiveTree(r, name, b)
		if err != nil {
			return err
		}
		var data bytes.Buffer
		if err := files.tar(&data, r.time); err != nil {
			return err
		}
		bill, err := billOfMaterials(ctx, r, b)
		if err != nil {
			return err
		}
		for file, content := range map[string][]byte{name + ".tar.gz": compress(data.Bytes()), name +
			".cdx.json": bill} {
			if err := os.WriteFile(filepath.Join(r.out, file), content, 0o644); err != nil {
				return err
			}
			made = append(made, file)
		}
		fmt.Printf("%s.tar.gz: %d bytes of program\n", name, len(files[path.Join(name, "gomodprobe")].data))
	}
	return writeSums(r.out, made)
}

// archiveTree is the content of an archive, in a folder of its name.
func archiveTree(r *release, name string, b binary) (tree, error) {
	files := tree{path.Join(name, "LICENSES.third-party"): {mode: 0o644, data: r.thanks}}
	if err := files.add(path.Join(name, "gomodprobe"), b.path, 0o755); err != nil {
		return nil, err
	}
	if err := files.add(path.Join(name, "gomodprobe-boot"), b.boot, 0o755); err != nil {
		return nil, err
	}
	if err := files.add(path.Join(name, "LICENSE"), filepath.Join(r.root, "LICENSE"), 0o644); err != nil {
		return nil, err
	}
	if err := pages(files, r, name); err != nil {
		return nil, err
	}
	if err := files.addAll(path.Join(name, "docs/man"), filepath.Join(r.root, "docs/man/*.[58]")); err != nil {
		return nil, err
	}
	if err := addHooks(files, r, path.Join(name, "hooks")); err != nil {
		return nil, err
	}
	return files, files.addAll(path.Join(name, "completions"),
		filepath.Join(r.root, "docs/completions/*gomodprobe*"))
}

// pages adds README.md and what it links to, where its links lead.
func pages(files tree, r *release, dir string) error {
	for _, doc := range []string{"README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} {
		if err := files.add(path.Join(dir, doc), filepath.Join(r.root, doc), 0o644); err != nil {
			return err
		}
	}
	if err := files.addAll(path.Join(dir, "docs/pictures"), filepath.Join(r.root, "docs/pictures/*.svg")); err != nil {
		return err
	}
	return files.addAll(path.Join(dir, "docs"), filepath.Join(r.root, "docs/*.md"))
}

// writeSums writes SHA256SUMS as sha256sum --check reads it.
func writeSums(dir string, names []string) error {
	slices.Sort(names)
	var sums bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums.Bytes(), 0o644)
}
