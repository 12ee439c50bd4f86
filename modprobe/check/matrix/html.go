package matrix

import (
	"bytes"
	_ "embed" // the page's style
	"fmt"
	"html"
	"io"
)

//go:embed report.css
var style string

// A pageWriter writes a page. Every text that is not a part of the page itself goes through [html.EscapeString]:
// html/template would do that as well, and make every tool of the binary a quarter larger.
type pageWriter struct{ bytes.Buffer }

// add writes a format of ours, with texts that are escaped.
func (p *pageWriter) add(format string, texts ...any) {
	for i, t := range texts {
		if s, ok := t.(string); ok {
			texts[i] = html.EscapeString(s)
		}
	}
	fmt.Fprintf(p, format, texts...)
}

// WriteHTML writes the report as one page that needs nothing else: no script, no other file.
func (r *Report) WriteHTML(w io.Writer) error {
	p := new(pageWriter)
	summary := r.Summary()
	p.add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>%s</title>\n", summary[0])
	p.WriteString("<style>\n" + style + "</style>\n</head>\n<body>\n")
	p.add("<h1>%s</h1>\n", summary[0])
	if len(r.Modules) > 0 {
		r.pageGrid(p)
	}
	if len(summary) > 1 {
		p.add("<ul>\n")
		for _, line := range summary[1:] {
			p.add("<li>%s</li>\n", line)
		}
		p.add("</ul>\n")
	}
	p.add("<h2>Kernels</h2>\n<ol>\n")
	for i := range r.Kernels {
		k := &r.Kernels[i]
		p.add("<li>%s", k.Label)
		if from := k.from(); from != "" {
			p.add(" <span class=\"%s\">%s</span>", map[bool]string{true: "note", false: "n"}[k.Error == ""], from)
		}
		p.add("</li>\n")
	}
	p.add("</ol>\n")
	for _, f := range r.Failures() {
		f.page(p)
	}
	p.add("</body>\n</html>\n")
	_, err := w.Write(p.Bytes())
	return err
}

// pageGrid writes the matrix.
func (r *Report) pageGrid(p *pageWriter) {
	p.add("<div class=\"wide\">\n<table>\n<thead><tr><th></th>")
	for i, k := range r.Kernels {
		p.add("<th scope=\"col\" title=\"%s\">%d</th>", k.Label, i+1)
	}
	p.add("</tr></thead>\n<tbody>\n")
	used := map[string]bool{}
	for i := range r.Modules {
		row := &r.Modules[i]
		p.add("<tr><th scope=\"row\" title=\"%s\">%s</th>", row.Path, row.Module)
		for j := range row.Cells {
			c := &row.Cells[j]
			used[c.Letter()] = true
			title := c.Kernel + ": " + string(c.Outcome)
			if c.Text != "" {
				title += ": " + c.Text
			}
			p.add("<td class=\"%s\" title=\"%s\">%s</td>", c.colour(), title, c.Letter())
		}
		p.add("</tr>\n")
	}
	p.add("</tbody>\n</table>\n</div>\n<p class=\"note\">")
	for i, l := range legend(used) {
		if i > 0 {
			p.add(", ")
		}
		p.add("%s", l)
	}
	p.add("</p>\n")
}

// page writes the paragraph.
func (f *Failure) page(p *pageWriter) {
	p.add("<h2>%s (%d)</h2>\n<ul>\n", f.Title, f.Loads)
	for _, l := range f.Lines {
		p.add("<li>")
		for _, m := range l.Modules {
			p.add("<code>%s</code> ", m)
		}
		p.add("on %s: %s</li>\n", ranges(l.Kernels), l.Text)
	}
	p.add("</ul>\n")
	for _, a := range f.Advice {
		p.add("<p class=\"note\">&rarr; %s</p>\n", a)
	}
}

// colour is the class of the page's style that a cell has.
func (c *Cell) colour() string {
	switch c.Letter() {
	case "L", "B":
		return "y"
	case "T":
		return "t"
	case "f":
		return "m"
	case "?":
		return "u"
	}
	return "n"
}
