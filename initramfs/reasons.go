package initramfs

import (
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// reasons is the content of ReasonsFile: a line for each reason of each module, with tabs between module, kind, who
// needs it, and the words it was asked for with. The lines are sorted, so that they do not depend on the order of
// requests.
func (s *Selection) reasons() []byte {
	var lines []string
	for _, m := range s.Modules {
		for _, r := range m.Reasons {
			lines = append(lines, oneLine(m.Name)+"\t"+string(r.Kind)+"\t"+r.By+"\t"+oneLine(r.As)+"\n")
		}
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// oneLine replaces what would break a line of ReasonsFile.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, s)
}

// ErrNoReasons is what WhyImage answers if an image has no ReasonsFile: it was not made by this package, or without
// tables.
var ErrNoReasons = errors.New("the image does not say why its modules are there (no " + ReasonsFile + ")")

// maxReasons is how many bytes of a ReasonsFile are read: those of a whole kernel are less than a megabyte.
const maxReasons = 64 << 20

// ImageReasons reads the reasons that an image keeps for each of its modules; of several files that say so the last
// one, which is what the kernel leaves.
func ImageReasons(r io.Reader) (map[string][]Reason, error) {
	var last []byte
	in := NewReader(r)
	for f, err := range in.All() {
		if err != nil {
			return nil, err
		}
		if f.Mode.IsRegular() && path.Base(f.Path) == ReasonsFile {
			if last, err = io.ReadAll(io.LimitReader(in, maxReasons)); err != nil {
				return nil, err
			}
		}
	}
	if last == nil {
		return nil, ErrNoReasons
	}
	by := make(map[string][]Reason)
	for line := range strings.Lines(string(last)) {
		if w := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(w) == 4 {
			by[w[0]] = append(by[w[0]], Reason{Kind(w[1]), w[2], w[3]})
		}
	}
	return by, nil
}

// WhyImage is Selection.Why for the reasons that an image keeps.
func WhyImage(reasons map[string][]Reason, name string) []ChainLink {
	return why(func(n string) []Reason { return reasons[n] }, strings.ReplaceAll(name, "-", "_"))
}

// Requests returns what was asked for when the image was made, as Options.Add and Options.Aliases, sorted.
func Requests(reasons map[string][]Reason) (added, devices []string) {
	for _, list := range reasons {
		for _, r := range list {
			switch r.Kind {
			case Added:
				added = append(added, r.As)
			case Device:
				devices = append(devices, r.As)
			}
		}
	}
	slices.Sort(added)
	slices.Sort(devices)
	return slices.Compact(added), slices.Compact(devices)
}
