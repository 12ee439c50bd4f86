package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// events is what go test -json prints of a package with a test of each result, one that was not compiled, and one whose
// process ended in a test.
const events = `{"ImportPath":"x/c [x/c.test]","Action":"build-output","Output":"c.go:3:29: undefined: u\n"}
{"ImportPath":"x/c [x/c.test]","Action":"build-fail"}
{"Action":"start","Package":"x/a"}
{"Action":"run","Package":"x/a","Test":"TestGood"}
{"Action":"output","Package":"x/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"x/a","Test":"TestGood","Output":"    a_test.go:3: hello\n"}
{"Action":"output","Package":"x/a","Test":"TestGood","Output":"--- PASS: TestGood (0.00s)\n"}
{"Action":"pass","Package":"x/a","Test":"TestGood","Elapsed":0}
{"Action":"output","Package":"x/a","Test":"TestSkip","Output":"    a_test.go:4: tried\n"}
{"Action":"output","Package":"x/a","Test":"TestSkip","Output":"    a_test.go:5: no network\n"}
{"Action":"output","Package":"x/a","Test":"TestSkip","Output":"        none at all\n"}
{"Action":"output","Package":"x/a","Test":"TestSkip","Output":"--- SKIP: TestSkip (0.00s)\n"}
{"Action":"skip","Package":"x/a","Test":"TestSkip","Elapsed":0}
{"Action":"output","Package":"x/a","Test":"TestSub/one","Output":"        vmtest.go:104:     a_test.go:5: no network\n"}
{"Action":"output","Package":"x/a","Test":"TestSub/one","Output":"        testscript.go:609: \n"}
{"Action":"skip","Package":"x/a","Test":"TestSub/one","Elapsed":0}
{"Action":"output","Package":"x/a","Test":"TestSub/two","Output":"        a_test.go:9: bad\n"}
{"Action":"output","Package":"x/a","Test":"TestSub/two","Output":"    --- FAIL: TestSub/two (0.00s)\n"}
{"Action":"fail","Package":"x/a","Test":"TestSub/two","Elapsed":0.01}
{"Action":"output","Package":"x/a","Test":"TestSub","Output":"--- FAIL: TestSub (0.00s)\n"}
{"Action":"fail","Package":"x/a","Test":"TestSub","Elapsed":0.03}
{"Action":"output","Package":"x/a","Output":"FAIL\n"}
{"Action":"output","Package":"x/a","Output":"FAIL\tx/a\t0.174s\n"}
{"Action":"fail","Package":"x/a","Elapsed":0.177}
{"Action":"output","Package":"x/b","Output":"ok  \tx/b\t0.1s\n"}
{"Action":"pass","Package":"x/b","Elapsed":0}
{"Action":"output","Package":"x/c","Output":"FAIL\tx/c [build failed]\n"}
{"Action":"fail","Package":"x/c","Elapsed":0,"FailedBuild":"x/c [x/c.test]"}
{"Action":"output","Package":"x/d","Test":"TestEnd","Output":"=== RUN   TestEnd\n"}
{"Action":"output","Package":"x/d","Test":"TestEnd","Output":"last words\n"}
{"Action":"output","Package":"x/d","Output":"FAIL\tx/d\t0.1s\n"}
{"Action":"fail","Package":"x/d","Elapsed":0.1}
not an event
`

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if !r.summary(false, "") {
		t.Error("a skipped test failed the run without CI")
	}
	want := `c.go:3:29: undefined: u
        a_test.go:9: bad
    --- FAIL: TestSub/two (0.00s)
--- FAIL: TestSub (0.00s)
FAIL	x/a	0.174s
ok  	x/b	0.1s
FAIL	x/c [build failed]
FAIL	x/d	0.1s
last words
not an event

skipped, and why:
  no network
    x/a: TestSkip TestSub/one

1 passed, 4 failed, 2 skipped
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestSkipList: with CI=true a skipped test passes only for a reason on the list.
func TestSkipList(t *testing.T) {
	for _, tt := range []struct {
		list  string
		ok    bool
		close string
	}{
		{"# comment\nno network\n", true, "1 passed, 4 failed, 2 skipped\n"},
		{"# no network\n", false, "1 passed, 6 failed, 0 skipped\n"},
		{"no net\n", false, "1 passed, 6 failed, 0 skipped\n"},
	} {
		var out bytes.Buffer
		r := newReport(&out)
		if err := r.read(strings.NewReader(events)); err != nil {
			t.Fatal(err)
		}
		if ok := r.summary(true, tt.list); ok != tt.ok || !strings.HasSuffix(out.String(), "\n"+tt.close) {
			t.Errorf("list %q: %v\n%s", tt.list, ok, out.String())
		}
	}
}

// TestRun: the status is that of go test, and with CI=true 1 for a skipped test.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":            "module x\n\ngo 1.24\n",
		"good/x_test.go":    "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n",
		"skipped/x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Skip(\"why not\") }\n",
		"bad/x_test.go":     "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Fatal(\"no\") }\n",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, tt := range []struct {
		arg    string
		ci     bool
		status int
		close  string
	}{
		{"./good", true, 0, "1 passed, 0 failed, 0 skipped\n"},
		{"./skipped", false, 0, "0 passed, 0 failed, 1 skipped\n"},
		{"./skipped", true, 1, "0 passed, 1 failed, 0 skipped\n"},
		{"./bad", false, 1, "0 passed, 1 failed, 0 skipped\n"},
		{"-timeout=x", false, 2, "0 passed, 0 failed, 0 skipped\n"},
	} {
		var out, stderr bytes.Buffer
		status, err := run([]string{tt.arg}, &out, &stderr, tt.ci)
		if err != nil || status != tt.status || !strings.HasSuffix(out.String(), "\n"+tt.close) {
			t.Errorf("%s: status %d, %v\n%s%s", tt.arg, status, err, out.String(), stderr.String())
		}
	}
}

// TestListIsUsed: each reason on the list is given by a test, word for word.
func TestListIsUsed(t *testing.T) {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil; _, err = os.Stat(filepath.Join(root, "go.mod")) {
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above this folder")
		}
		root = filepath.Dir(root)
	}
	var sources strings.Builder
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		text, err := os.ReadFile(name)
		sources.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(skips) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.Contains(sources.String(), `"`+line+`"`) {
			t.Errorf("skips.txt: no test gives the reason %q", line)
		}
	}
}
