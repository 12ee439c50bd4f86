package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// sample is a release of one binary, which is this test.
func sample(t *testing.T) *release {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &release{
		out: t.TempDir(), root: root, version: "1.2", time: time.Unix(1700000000, 0).UTC(),
		binaries: []binary{{targets[0], self, self}}, thanks: []byte("thanks\n"),
	}
}

func TestTar(t *testing.T) {
	files := tree{
		"b/x":     {mode: 0o644, data: []byte("text")},
		"a":       {link: "b/x"},
		"empty/d": {dir: true},
	}
	var first, second bytes.Buffer
	when := time.Unix(1700000000, 0)
	if err := errors.Join(files.tar(&first, when), files.tar(&second, when)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same tree gave two archives")
	}
	var got []string
	for r := tar.NewReader(&first); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(when) || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: time %v, owner %d:%d", h.Name, h.ModTime, h.Uid, h.Gid)
		}
		got = append(got, fmt.Sprintf("%c %s %o %s", h.Typeflag, h.Name, h.Mode, h.Linkname))
	}
	want := []string{"2 a 777 b/x", "5 b/ 755 ", "0 b/x 644 ", "5 empty/ 755 ", "5 empty/d/ 755 "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestImage: everything that the index leads to is there, with its size and checksum, and the layer unpacks.
func TestImage(t *testing.T) {
	r := sample(t)
	if err := writeImage(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	blob := func(d descriptor, v any) []byte {
		t.Helper()
		sum := strings.TrimPrefix(d.Digest, "sha256:")
		data, err := os.ReadFile(filepath.Join(r.out, "oci/blobs/sha256", sum))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) != d.Size || fmt.Sprintf("%x", sha256.Sum256(data)) != sum {
			t.Errorf("%s has %d bytes, want %d, or another checksum", d.Digest, len(data), d.Size)
		}
		if v != nil {
			if err := json.Unmarshal(data, v); err != nil {
				t.Fatal(err)
			}
		}
		return data
	}
	data, err := os.ReadFile(filepath.Join(r.out, "oci/index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var top, all imageIndex
	var manifest imageManifest
	var config imageConfig
	if err := json.Unmarshal(data, &top); err != nil {
		t.Fatal(err)
	}
	blob(top.Manifests[0], &all)
	if p := all.Manifests[0].Platform; p == nil || p.Architecture != "amd64" || p.OS != "linux" {
		t.Errorf("platform %+v", p)
	}
	blob(all.Manifests[0], &manifest)
	blob(manifest.Config, &config)
	z, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0], nil)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); got != config.RootFS.DiffIDs[0] {
		t.Errorf("the layer's checksum is %s, the configuration says %s", got, config.RootFS.DiffIDs[0])
	}
	links := map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		links[h.Name] = h.Linkname
	}
	for _, name := range []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod"} {
		if links["sbin/"+name] != "../gomodprobe" {
			t.Errorf("sbin/%s leads to %q", name, links["sbin/"+name])
		}
	}
}

// TestArchiveTree: an archive has what its README links to.
func TestArchiveTree(t *testing.T) {
	r := sample(t)
	files, err := archiveTree(r, "x", r.binaries[0])
	if err != nil {
		t.Fatal(err)
	}
	names := files.names()
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)`).FindAllSubmatch(files["x/README.md"].data, -1) {
		if name := path.Join("x", string(link[1])); !slices.Contains(names, name) {
			t.Errorf("%s is not in the archive", name)
		}
	}
}

// TestBillOfMaterials: both programs are listed, and what is linked into each, with version, checksum and licence.
func TestBillOfMaterials(t *testing.T) {
	r := sample(t)
	b := &r.binaries[0]
	b.path, b.boot = filepath.Join(t.TempDir(), "gomodprobe"), filepath.Join(t.TempDir(), "gomodprobe-boot")
	err := errors.Join(b.target.build(t.Context(), r.root, b.path, ""),
		b.target.build(t.Context(), r.root, b.boot, "kmod_boot"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := billOfMaterials(t.Context(), r, r.binaries[0])
	if err != nil {
		t.Fatal(err)
	}
	var doc bom
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range doc.Components {
		if len(c.Licenses) == 0 || c.Version == "" {
			t.Errorf("%s %q has no licence or version", c.Name, c.Version)
		}
		if c.Name == "golang.org/x/sys" {
			found = true
			if len(c.Hashes) != 1 || c.Licenses[0].License.ID != "BSD-3-Clause" {
				t.Errorf("x/sys: %+v", c)
			}
		}
	}
	if !found {
		t.Errorf("x/sys is not listed:\n%s", text)
	}
	if len(doc.Depends) != 3 || len(doc.Depends[0].Depends) != len(doc.Components)-2 ||
		len(doc.Depends[1].Depends) < 3 ||
		!slices.Equal(doc.Depends[2].Depends, []string{doc.Depends[0].Ref, doc.Depends[1].Ref}) {
		t.Errorf("dependencies: %+v", doc.Depends)
	}
}

// TestDeb: dpkg-deb takes the package twice with the same bytes, and its scripts have no mistakes of syntax.
func TestDeb(t *testing.T) {
	kmodtest.Programs(t, "dpkg-deb")
	r := sample(t)
	small := filepath.Join(t.TempDir(), "gomodprobe")
	if err := os.WriteFile(small, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.binaries[0].path, r.binaries[0].boot = small, small
	var images [2][]byte
	for i := range images {
		if err := writeDebs(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		var err error
		if images[i], err = os.ReadFile(filepath.Join(r.out, "gomodprobe_1.2_amd64.deb")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the same release gave two packages")
	}
	for _, script := range []string{"gomodprobe-switch", "prerm"} {
		if out, err := exec.Command("sh", "-n", "debian/"+script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", script, err, out)
		}
	}
}

func TestTargets(t *testing.T) {
	out, err := output(t.Context(), "", "go", "tool", "dist", "list")
	if err != nil {
		t.Skip(err)
	}
	for _, target := range targets {
		if !strings.Contains(out+"\n", "linux/"+target.goarch()+"\n") {
			t.Errorf("%s: Go does not build for %q", target.name, target.goarch())
		}
	}
	if _, err := choose("amd64,vax"); err == nil {
		t.Error("choose knows the architecture vax")
	}
}
