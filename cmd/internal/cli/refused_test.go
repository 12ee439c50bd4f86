package cli

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// refusedWorld is an Env whose files are in memory, and what was written to the kernel's log.
func refusedWorld() (env *Env, fsys fstest.MapFS, log *[]string) {
	fsys, log = fstest.MapFS{}, new([]string)
	return &Env{
		Args: []string{"modprobe"}, FS: fsys, Now: func() time.Time { return time.Unix(0, 0) },
		WriteOwned: func(name string, data []byte, _ int) error {
			fsys[name[1:]] = &fstest.MapFile{Data: data}
			return nil
		},
		Kmsg: func(line []byte) error {
			*log = append(*log, string(line))
			return nil
		},
	}, fsys, log
}

// TestRefused: what is refused again and again takes one file and few lines of the log, whatever its name is.
func TestRefused(t *testing.T) {
	env, fsys, log := refusedWorld()
	e := &modprobe.Error{Module: "jbd2", Chain: []string{"ext4", "jbd2"}, Reason: "by /x.conf:1 (no\nreason)"}
	for range 1234 {
		Refused(env, strings.Repeat("x\n", 5000), e)
	}
	if len(fsys) != 1 || len(*log) != 4 {
		t.Errorf("%d files and %d lines; want 1 and 4", len(fsys), len(*log))
	}
	for _, line := range *log {
		if strings.Count(line, "\n") != 1 || len(line) > 2000 {
			t.Errorf("a line of the log is %q", line)
		}
	}
	list, err := Refusals(env)
	if err != nil || len(list) != 1 || list[0].Count != 1234 || list[0].Module != "jbd2" || len(list[0].Chain) != 2 ||
		list[0].First != "1970-01-01T00:00:00Z" || len(list[0].Name) > 2*maxName {
		t.Errorf("Refusals = %+v, %v", list, err)
	}
	Refused(env, "ext4", &modprobe.Error{Module: "jbd2", Chain: []string{"jbd2"}, Reason: e.Reason})
	if list, err = Refusals(env); err != nil || len(list) != 2 {
		t.Errorf("by itself and for another: %d kinds, %v; want 2", len(list), err)
	}
}

// TestRefusedUnwritable: where nothing can be kept, each refusal is logged.
func TestRefusedUnwritable(t *testing.T) {
	env, _, log := refusedWorld()
	env.WriteOwned = func(string, []byte, int) error { return errors.ErrUnsupported }
	for range 3 {
		Refused(env, "x", &modprobe.Error{Module: "x"})
	}
	if len(*log) != 3 {
		t.Errorf("%d lines; want 3", len(*log))
	}
}

// TestRefusalsDamaged: a damaged file is named with the offset.
func TestRefusalsDamaged(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "offset 0: unexpected end of JSON input",
		`{"module": "x", "count": 1`:      "offset 26: unexpected end of JSON input",
		`{"module": x}`:                   "offset 12: invalid character 'x' looking for beginning of value",
		`{"module": "x", "count": "two"}`: "json: cannot unmarshal string into Go struct field Refusal.count of type int",
		`{"module": "x"}`:                 "it names no module, or no chain to it",
	} {
		env, fsys, _ := refusedWorld()
		fsys[refusedDir+"/1"] = &fstest.MapFile{Data: []byte(text)}
		_, err := Refusals(env)
		if err == nil || err.Error() != "/"+refusedDir+"/1: "+want {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}
