package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The parts of the OCI image specification 1.1 that are used.
type (
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Platform    *platform         `json:"platform,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Variant      string `json:"variant,omitempty"`
	}
	imageIndex struct {
		Schema    int          `json:"schemaVersion"`
		MediaType string       `json:"mediaType"`
		Manifests []descriptor `json:"manifests"`
	}
	imageManifest struct {
		Schema      int               `json:"schemaVersion"`
		MediaType   string            `json:"mediaType"`
		Config      descriptor        `json:"config"`
		Layers      []descriptor      `json:"layers"`
		Annotations map[string]string `json:"annotations"`
	}
	imageConfig struct {
		platform
		Created string      `json:"created"`
		Config  runConfig   `json:"config"`
		RootFS  imageRootFS `json:"rootfs"`
	}
	runConfig struct {
		Env    []string          `json:"Env"`
		Cmd    []string          `json:"Cmd"`
		Labels map[string]string `json:"Labels"`
	}
	imageRootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
)

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// writeImage makes an OCI layout, an image for each target behind one index. Container engines take the folder as
// it is, such as by "skopeo copy oci:dist/oci docker://…" or "podman pull oci:dist/oci".
func writeImage(_ context.Context, r *release) error {
	l := layout{dir: filepath.Join(r.out, "oci")}
	if err := os.RemoveAll(l.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o755); err != nil {
		return err
	}
	all := imageIndex{Schema: 2, MediaType: indexType}
	for _, b := range r.binaries {
		m, err := l.image(r, b)
		if err != nil {
			return err
		}
		all.Manifests = append(all.Manifests, m)
	}
	list := l.json(indexType, all)
	list.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version}
	l.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	l.file("index.json", encode(imageIndex{Schema: 2, MediaType: indexType, Manifests: []descriptor{list}}))
	return l.err
}

// A layout is a folder that gets an image. The first error is kept.
type layout struct {
	dir string
	err error
}

// image writes the image of one target and returns the descriptor of its manifest.
func (l *layout) image(r *release, b binary) (descriptor, error) {
	files, err := imageTree(r, b)
	if err != nil {
		return descriptor{}, err
	}
	var layer bytes.Buffer
	if err := files.tar(&layer, r.time); err != nil {
		return descriptor{}, err
	}
	where := platform{Architecture: b.target.goarch(), OS: "linux", Variant: b.target.variant}
	labels := map[string]string{
		"org.opencontainers.image.title":    "gomodprobe",
		"org.opencontainers.image.version":  r.version,
		"org.opencontainers.image.licenses": "BSD-3-Clause",
	}
	config := l.json(configType, imageConfig{
		platform: where,
		Created:  r.time.Format("2006-01-02T15:04:05Z"),
		Config: runConfig{Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: []string{"/sbin/modprobe", "--help"}, Labels: labels},
		RootFS: imageRootFS{Type: "layers",
			DiffIDs: []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	m := l.json(manifestType, imageManifest{
		Schema: 2, MediaType: manifestType, Config: config, Annotations: labels,
		Layers: []descriptor{l.blob(layerType, compress(layer.Bytes()))},
	})
	m.Platform = &where
	return m, l.err
}

// imageTree is the root of a container: the program, links to it under the names that programs call, and the folders
// that are mounted over.
func imageTree(r *release, b binary) (tree, error) {
	files := tree{
		"lib/modules":                        {dir: true},
		"etc/modprobe.d":                     {dir: true},
		"usr/share/doc/gomodprobe/copyright": {mode: 0o644, data: copyright(r)},
	}
	for _, name := range goNames() {
		if name != "gomodprobe" && name != "goinitramfs" {
			files["sbin/"+strings.TrimPrefix(name, "go")] = entry{link: "../gomodprobe"}
		}
	}
	files["sbin/modprobe"] = entry{link: "../gomodprobe"}
	files["sbin/goinitramfs"] = entry{link: "../gomodprobe"}
	return files, files.add("gomodprobe", b.path, 0o755)
}

// json writes a document as a blob.
func (l *layout) json(mediaType string, v any) descriptor { return l.blob(mediaType, encode(v)) }

// encode is json.Marshal for the types above, which cannot fail.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// blob writes a file whose name is its checksum.
func (l *layout) blob(mediaType string, data []byte) descriptor {
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	l.file("blobs/sha256/"+sum, data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(data)}
}

func (l *layout) file(name string, data []byte) {
	if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o644); err != nil && l.err == nil {
		l.err = err
	}
}
