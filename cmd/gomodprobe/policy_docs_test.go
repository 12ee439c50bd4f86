package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestPolicyDocs: docs/policy.md shows what the script policy-docs compares with.
func TestPolicyDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := txtar.ParseFile("testdata/script/policy-docs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range script.Files {
		if !strings.HasPrefix(f.Name, "example-") {
			continue
		}
		text := strings.TrimPrefix(string(f.Data), "<4>") // the level of a line in the kernel's log
		if n++; !strings.Contains(string(page), "\n```\n"+text+"```\n") {
			t.Errorf("docs/policy.md does not have %s of the script policy-docs:\n%s", f.Name, text)
		}
	}
	if n != 6 {
		t.Errorf("%d examples; want 6", n)
	}
}
