//go:build !kmod_boot

package depmod

import (
	"io"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/depmod"
)

// depmodDoc is everything that depmod --json found.
type depmodDoc struct {
	Release  string        `json:"release"`
	Dir      string        `json:"dir"`
	Out      string        `json:"out"`
	Error    *string       `json:"error"` // null if there are tables
	Problems []problemJSON `json:"problems"`
	// Differences is there with --check only.
	Differences *[]differenceJSON `json:"differences,omitempty"`
}

// problemJSON is one problem. What does not belong to its kind is left out.
type problemJSON struct {
	Kind    string   `json:"kind"`
	Message string   `json:"message"`
	Path    string   `json:"path,omitempty"`
	Module  string   `json:"module,omitempty"`
	Symbol  string   `json:"symbol,omitempty"`
	Text    string   `json:"text,omitempty"`
	Table   string   `json:"table,omitempty"`
	Line    int      `json:"line,omitempty"`
	Modules []string `json:"modules,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// differenceJSON is one table that is not as depmod would make it.
type differenceJSON struct {
	Table   string   `json:"table"`
	Reason  string   `json:"reason"`
	Surplus []string `json:"surplus"`
	Lacking []string `json:"lacking"`
}

// writeJSON prints everything that was found.
func (r *depmodRun) writeJSON(
	out io.Writer, problems []depmod.Problem, differences []depmod.Difference, err error,
) error {
	doc := depmodDoc{Release: r.version, Dir: r.dir, Out: r.out, Problems: cli.Each(problems, newProblemJSON)}
	if err != nil {
		text := err.Error()
		doc.Error = &text
	}
	if r.check {
		list := cli.Each(differences, func(d depmod.Difference) differenceJSON {
			return differenceJSON{d.Table, d.Reason(), cli.OrEmpty(d.Surplus), cli.OrEmpty(d.Lacking)}
		})
		doc.Differences = &list
	}
	return cli.WriteJSON(out, doc)
}

func newProblemJSON(p depmod.Problem) problemJSON {
	doc := problemJSON{
		Kind: p.Kind.String(), Message: p.String(), Path: p.Path, Module: p.Module, Symbol: p.Symbol,
		Text: p.Text, Table: p.Table, Line: p.Line, Modules: p.Modules,
	}
	if p.Err != nil {
		doc.Error = p.Err.Error()
	}
	return doc
}
