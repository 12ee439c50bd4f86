package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// The parts of CycloneDX 1.5 that a bill of materials of a Go program needs.
type (
	bom struct {
		Format     string       `json:"bomFormat"`
		Spec       string       `json:"specVersion"`
		Version    int          `json:"version"`
		Metadata   bomMetadata  `json:"metadata"`
		Components []component  `json:"components"`
		Depends    []dependency `json:"dependencies"`
	}
	bomMetadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string          `json:"type"`
		Ref      string          `json:"bom-ref"`
		Name     string          `json:"name"`
		Version  string          `json:"version"`
		PURL     string          `json:"purl,omitempty"`
		Hashes   []bomHash       `json:"hashes,omitempty"`
		Licenses []licenseChoice `json:"licenses,omitempty"`
	}
	bomHash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	licenseChoice struct {
		License licenseID `json:"license"`
	}
	licenseID struct {
		ID string `json:"id"`
	}
	dependency struct {
		Ref     string   `json:"ref"`
		Depends []string `json:"dependsOn"`
	}
)

// billOfMaterials lists the two programs of a target and what is in each, as the programs themselves say.
func billOfMaterials(ctx context.Context, r *release, b binary) ([]byte, error) {
	doc := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	doc.Metadata.Timestamp = r.time.Format("2006-01-02T15:04:05Z")
	listed := map[string]bool{}
	add := func(c component) {
		if !listed[c.Ref] {
			listed[c.Ref] = true
			doc.Components = append(doc.Components, c)
		}
	}
	var whole dependency
	for _, file := range []string{b.path, b.boot} {
		program, parts, err := programParts(ctx, r, b, file)
		if err != nil {
			return nil, err
		}
		if whole.Ref == "" {
			self := program
			self.Name, self.Hashes = "gomodprobe", nil
			self.Ref, _, _ = strings.Cut(program.Ref, "#")
			self.PURL = self.Ref
			doc.Metadata.Component, whole.Ref = self, self.Ref
		}
		whole.Depends = append(whole.Depends, program.Ref)
		uses := dependency{Ref: program.Ref}
		add(program)
		for _, part := range parts {
			add(part)
			uses.Depends = append(uses.Depends, part.Ref)
		}
		doc.Depends = append(doc.Depends, uses)
	}
	doc.Depends = append(doc.Depends, whole)
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(doc)
	return text.Bytes(), err
}

// programParts describes one program, and what is linked into it.
func programParts(
	ctx context.Context, r *release, b binary, file string,
) (program component, parts []component, err error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return program, nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return program, nil, err
	}
	sum := sha256.Sum256(data)
	name := filepath.Base(file)
	purl := fmt.Sprintf("pkg:golang/%s@%s?goarch=%s&goos=linux#%s", info.Main.Path, r.version, b.target.goarch(),
		name)
	program = component{
		Type: "application", Ref: purl, Name: name, Version: r.version, PURL: purl,
		Hashes: []bomHash{{"SHA-256", hex.EncodeToString(sum[:])}}, Licenses: licenseIDs("BSD-3-Clause"),
	}
	toolchain := strings.TrimPrefix(info.GoVersion, "go")
	parts = []component{{
		Type: "library", Ref: "pkg:golang/std@" + toolchain, Name: "std", Version: toolchain,
		PURL: "pkg:golang/std@" + toolchain, Licenses: licenseIDs("BSD-3-Clause"),
	}}
	for _, m := range info.Deps {
		c, err := moduleComponent(ctx, r.root, m)
		if err != nil {
			return program, nil, err
		}
		parts = append(parts, c)
	}
	return program, parts, nil
}

// moduleComponent describes one module that is linked in.
func moduleComponent(ctx context.Context, root string, m *debug.Module) (component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	c := component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		raw, err := base64.StdEncoding.DecodeString(sum)
		if err != nil {
			return c, fmt.Errorf("%s: %w", m.Path, err)
		}
		c.Hashes = []bomHash{{"SHA-256", hex.EncodeToString(raw)}}
	}
	text, err := licenceText(ctx, root, m.Path)
	if err != nil {
		return c, err
	}
	c.Licenses = licenseIDs(recognize(text)...)
	return c, nil
}

func licenseIDs(ids ...string) []licenseChoice {
	var list []licenseChoice
	for _, id := range ids {
		list = append(list, licenseChoice{licenseID{id}})
	}
	return list
}

// recognize names the licences in a text by sentences that only they have.
func recognize(text []byte) []string {
	text = bytes.Join(bytes.Fields(text), []byte(" "))
	has := func(s string) bool { return bytes.Contains(text, []byte(s)) }
	var ids []string
	if has("Redistribution and use in source and binary forms") {
		id := "BSD-2-Clause"
		if has("Neither the name of") {
			id = "BSD-3-Clause"
		}
		ids = append(ids, id)
	}
	if has("Apache License Version 2.0") {
		ids = append(ids, "Apache-2.0")
	}
	if has("Permission is hereby granted, free of charge") {
		ids = append(ids, "MIT")
	}
	if has("Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee " +
		"is hereby granted. THE SOFTWARE") {
		ids = append(ids, "0BSD")
	}
	return ids
}

// licenceText reads the licence of a module that go.mod requires.
func licenceText(ctx context.Context, root, module string) ([]byte, error) {
	dir, err := output(ctx, root, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "LICEN[CS]E*"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no licence file in %s", module, dir)
	}
	return os.ReadFile(names[0])
}

// licences joins the licences of all modules linked into a binary, and Go's own.
func licences(ctx context.Context, root, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	goroot, err := output(ctx, root, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(goroot, "LICENSE"))
	if err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "The Go standard library (%s)\n\n%s\n", info.GoVersion, text)
	for _, m := range info.Deps {
		text, err := licenceText(ctx, root, m.Path)
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "%s\n%s %s\n\n%s\n", strings.Repeat("-", 72), m.Path, m.Version, text)
	}
	return b, nil
}
