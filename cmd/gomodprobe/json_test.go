package main_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestJSONDocs: docs/json.md shows what the script json-docs compares with, and its tables have every key of the
// structs that are printed, and no other.
func TestJSONDocs(t *testing.T) {
	data, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	script, err := txtar.ParseFile("testdata/script/json-docs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range script.Files {
		if !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		if n++; !strings.Contains(page, "\n```json\n"+string(f.Data)+"```\n") {
			t.Errorf("docs/json.md does not have %s of the script json-docs:\n%s", f.Name, f.Data)
		}
	}
	if blocks := strings.Count(page, "\n```json\n"); n != 12 || blocks != n+2 { // two are of coldplug and boot
		t.Errorf("%d samples in the script and %d on the page; want 12 and 14", n, blocks)
	}
	keys := keysInSource(t, "../../cmd/internal", "../../modprobe")
	documented := make(map[string]bool)
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(line, -1) {
			documented[m[1]] = true
		}
	}
	for key, file := range keys {
		if !documented[key] {
			t.Errorf("docs/json.md does not have the key %s of %s", key, file)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|").FindAllStringSubmatch(page, -1) {
		for key := range strings.SplitSeq(m[1], ", ") {
			if key = strings.Trim(key, "`"); keys[key] == "" {
				t.Errorf("docs/json.md has the key %s, which nothing prints", key)
			}
		}
	}
}

// keysInSource returns the keys in the tags of the structs in some folders, each with a file it is in.
func keysInSource(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	keys := make(map[string]string)
	tag := regexp.MustCompile("`json:\"([a-z_]+)")
	for _, folder := range folders {
		err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path.Join(folder, name))
			for _, m := range tag.FindAllSubmatch(data, -1) {
				keys[string(m[1])] = path.Join(folder, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) < 80 {
		t.Fatalf("%d keys found; there are more", len(keys))
	}
	return keys
}

// TestVerdictJSON: what modprobe --check --json prints can be read into check.Verdict, and marshals to the same.
func TestVerdictJSON(t *testing.T) {
	script, err := txtar.ParseFile("testdata/script/json-docs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range script.Files {
		if f.Name != "modprobe-check.json" {
			continue
		}
		var verdicts []*check.Verdict
		if err := json.Unmarshal(f.Data, &verdicts); err != nil {
			t.Fatal(err)
		}
		again, err := json.MarshalIndent(verdicts, "", "  ")
		if err != nil || string(again)+"\n" != string(f.Data) {
			t.Errorf("%v\n%s\nwant\n%s", err, again, f.Data)
		}
		return
	}
	t.Error("the script has no modprobe-check.json")
}
