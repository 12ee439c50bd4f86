package matrix

import (
	_ "embed" // the page's template
	"html/template"
	"io"
)

//go:embed report.html
var page string

// WriteHTML writes the report as one page that needs nothing else: no script, no other file.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"number": func(i int) int { return i + 1 },
		"ranges": ranges,
		"legend": func() any { return letters },
		"cell":   func(c Cell) *Cell { return &c },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// Title says in a word or two what a cell means, for the page.
func (c *Cell) Title() string {
	title := c.Kernel + ": " + string(c.Outcome)
	if c.Text != "" {
		title += ": " + c.Text
	}
	return title
}

// Colour is the class of the page's style that a cell has.
func (c *Cell) Colour() string {
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
