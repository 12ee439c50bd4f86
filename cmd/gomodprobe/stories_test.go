package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestStories: docs/check.md shows what the script check-stories compares with.
func TestStories(t *testing.T) {
	page, err := os.ReadFile("../../docs/check.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := txtar.ParseFile("testdata/script/check-stories.txtar")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range script.Files {
		if !strings.HasPrefix(f.Name, "story-") {
			continue
		}
		if n++; !strings.Contains(string(page), "\n"+string(f.Data)) {
			t.Errorf("docs/check.md does not have what modprobe prints for %s:\n%s", f.Name, f.Data)
		}
	}
	if n != 4 {
		t.Errorf("%d stories; want 4", n)
	}
}
