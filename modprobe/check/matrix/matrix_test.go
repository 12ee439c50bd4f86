package matrix_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/check/matrix"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// sample is a report with every outcome.
func sample() *matrix.Report {
	r := &matrix.Report{Modules: []matrix.Row{{Module: "nbd"}, {Module: "a<b>&\"c\x01"}}}
	outcomes := []check.Outcome{check.Loads, check.LoadsTaints, check.BuiltIn, check.Fails, check.Fails, check.Unknown, matrix.NotFound,
		check.Fails, check.Fails, check.Fails, check.Fails}
	for i, o := range outcomes {
		label := fmt.Sprintf("6.%d", i+1)
		r.Kernels = append(r.Kernels, matrix.Kernel{Label: label, Release: label, Source: "/b & c"})
		for j := range r.Modules {
			c := matrix.Cell{Kernel: label, Outcome: o}
			switch o {
			case check.Fails:
				c.Kind, c.Symbols, c.Text = check.KindLayout, []string{"module_layout"}, "built <for> another"
				c.Advice = "rebuild it against the headers of " + label
				if i == 4 {
					c.Class = check.ClassNoneNamed
				}
			case check.Unknown:
				c.Kind, c.Text = "not verified", "who exports x"
			case matrix.NotFound:
				c.Kind, c.Text = "not found", "no such file"
			}
			r.Modules[j].Cells = append(r.Modules[j].Cells, c)
		}
	}
	return r
}

// TestTable: a letter for each cell below its number, and lines that are put together.
func TestTable(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"         11\n", "12345678901\n", "LTBFf?-FFFF\n",
		"nbd fails on 6: module_layout; names no changed type on 1; is not known on 1; is not found on 1\n",
		" on 4 8-11: module_layout\n", " on 5: module_layout (changed types, none named by the module)\n",
		"    -> rebuild against the headers of each of these kernels\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

// TestFormats: what the other formats say can be read back, whatever a module is called.
func TestFormats(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	failures, errs := 0, 0
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errs++
			}
		}
	}
	if suites.Tests != 22 || suites.Failures != 12 || suites.Errors != 4 || failures != 12 || errs != 4 {
		t.Errorf("JUnit: %+v; %d failures, %d errors", suites, failures, errs)
	}
	b.Reset()
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, no := range []string{"<b>", "<for>", "<script", "src=", "href=", "url(", "@import"} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %s", no)
		}
	}
	if n := strings.Count(page, "<td "); n != 22 {
		t.Errorf("%d cells in the page", n)
	}
	data, err := json.Marshal(r)
	if err != nil || json.Unmarshal(data, new(matrix.Report)) != nil {
		t.Error(err)
	}
}

// TestOutcome: only what loads everywhere is success.
func TestOutcome(t *testing.T) {
	for _, test := range []struct {
		outcomes []check.Outcome
		broken   bool
		want     check.Outcome
	}{
		{[]check.Outcome{check.Loads, check.LoadsTaints, check.BuiltIn}, false, check.Loads},
		{[]check.Outcome{check.Loads, check.Unknown}, false, check.Unknown},
		{[]check.Outcome{check.Unknown, check.Fails}, false, check.Fails},
		{[]check.Outcome{matrix.NotFound}, false, check.Fails},
		{nil, true, check.Unknown},
	} {
		r := new(matrix.Report)
		row := matrix.Row{}
		for _, o := range test.outcomes {
			r.Kernels = append(r.Kernels, matrix.Kernel{})
			row.Cells = append(row.Cells, matrix.Cell{Outcome: o})
		}
		if test.broken {
			r.Kernels = []matrix.Kernel{{Error: "x"}}
		} else {
			r.Modules = []matrix.Row{row}
		}
		if got := r.Outcome(); got != test.want {
			t.Errorf("%v: %v, want %v", test.outcomes, got, test.want)
		}
	}
}

// TestSymversReleases: of which kernel a Module.symvers is.
func TestSymversReleases(t *testing.T) {
	line := []byte("0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n")
	files := map[string]string{
		"a/symvers-6.1.0-50-amd64.gz":                      "6.1.0-50-amd64",
		"usr/src/linux-headers-6.1.0-47/Module.symvers":    "6.1.0-47",
		"lib/modules/6.12.9+deb13/build/Module.symvers":    "6.12.9+deb13",
		"fleet/5.14.0-362.8.1.el9_3.x86_64/Module.symvers": "5.14.0-362.8.1.el9_3.x86_64",
		"usr/src/kernels/7.2.1/Module.symvers":             "7.2.1",
		"build/Module.symvers":                             "",
		"other/Module.symvers":                             "6.6.6-custom",
	}
	fsys := fstest.MapFS{"other/include/config/kernel.release": {Data: []byte("6.6.6-custom\n")}}
	for name := range files {
		fsys[name] = &fstest.MapFile{Data: line}
	}
	for name, want := range files {
		list, err := matrix.Symvers(fsys, []string{"/" + name})
		if err != nil || len(list) != 1 || list[0].Release != want || (list[0].Error == "") != (want != "") {
			t.Errorf("%s: %+v %v, want %q", name, list, err, want)
		}
	}
	if list, err := matrix.Symvers(fsys, []string{"/*/*/Module.symvers", "/build/Module.symvers"}); err != nil || len(list) != 2 {
		t.Errorf("patterns: %+v %v", list, err)
	}
	for _, bad := range []string{"/none*", "/[", "/none", "/fleet"} {
		if _, err := matrix.Symvers(fsys, []string{bad}); err == nil {
			t.Errorf("%s is no mistake", bad)
		}
	}
}

// nothing is a cache that keeps nothing, as in a container whose files cannot be written.
type nothing struct{ puts int }

func (*nothing) Get(string) []byte    { return nil }
func (n *nothing) Put(string, []byte) { n.puts++ }

// TestRun judges modules of three builds of a real kernel against two images that are all there is: the class of what
// changed is known, since one of them is what the modules were built for, whichever is read first.
func TestRun(t *testing.T) {
	kmodtest.Long(t)
	dir, release := kmodtest.Corpus(t, "6.1")
	old, oldRelease := kmodtest.Corpus(t, "6.1-prev")
	if release == oldRelease {
		t.Fatal("one kernel twice")
	}
	o := &matrix.Options{From: modprobe.Options{FS: os.DirFS("/"), Kernel: &modprobetest.Kernel{Version: "9.9.9"}}}
	o.Check.Cache = new(nothing)
	nbd := old + "/lib/modules/" + oldRelease + "/kernel/drivers/block/nbd.ko"
	for _, order := range [][]string{{dir, old}, {old, dir}} {
		kernels, err := matrix.Images(o.From.FS, []string{order[0] + "/boot/vmlinuz", order[1] + "/boot/vmlinuz", order[0] + "/boot/vmlin*"})
		if err != nil || len(kernels) != 2 {
			t.Fatal(kernels, err)
		}
		rep := matrix.Run(o, kernels, []string{nbd, "/nosuch.ko"})
		if len(rep.Modules) != 2 || rep.Modules[0].Module != "nbd" {
			t.Fatalf("%+v", rep)
		}
		for i, c := range rep.Modules[0].Cells {
			loads := order[i] == old
			if c.Loads() != loads || !loads && c.Class != check.ClassNamesMoved {
				t.Errorf("%s: %+v", rep.Kernels[i].Label, c)
			}
			if gone := rep.Modules[1].Cells[i]; gone.Outcome != matrix.NotFound || gone.Text == "" {
				t.Errorf("%+v", gone)
			}
		}
	}
	if o.Check.Cache.(*nothing).puts == 0 {
		t.Error(errors.New("nothing was offered to the cache"))
	}
}
