//go:build !kmod_boot

package modprobe

import (
	"fmt"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// saveChart writes the chart of --chart.
func (r *modprobeRun) saveChart(report *coldplug.Report) error {
	return cli.SaveFile(r.Env, r.cold.chart, coldChart(report))
}

// xmlText makes text fit for XML.
func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`,
		"&quot;").Replace(strings.ToValidUTF8(s, "?"))
}

// coldChart draws a bar for each module, from when it was asked for: waiting for what it needs, waiting for a worker,
// in the kernel.
func coldChart(report *coldplug.Report) []byte {
	const left, width, row = 220, 900, 16
	total := max(report.Took, time.Millisecond)
	x := func(d time.Duration) float64 { return left + width*float64(d)/float64(total) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="11">`+"\n",
		left+width+20, row*(len(report.Modules)+3))
	fmt.Fprintf(&b, `<text x="4" y="12">%d modules for %d devices in %d ms</text>`+"\n", len(report.Modules),
		report.Devices, total.Milliseconds())
	for i, key := range [...][2]string{{"#ccd", "waits for what it needs"}, {"#fc6", "waits for its turn"},
		{"#4a8", "in the kernel"}, {"#d44", "failed"}} {
		fmt.Fprintf(&b, `<rect x="%d" y="2" width="12" height="12" fill="%s"/><text x="%d" y="12">%s</text>`+
			"\n",
			left+170*i+60, key[0], left+170*i+76, key[1])
	}
	for i := range 11 {
		d := total * time.Duration(i) / 10
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#888">%d</text><path d="M%.1f %dV%d" stroke="#eee"/>`+"\n",
			x(d), 2*row-4, d.Milliseconds(), x(d), 2*row, row*(len(report.Modules)+2))
	}
	for i, m := range report.Modules {
		y := row * (i + 2)
		fill := "#4a8"
		why := "for " + m.Device + " (" + m.Alias + ")"
		if m.By != "" {
			why = "needed by " + m.By
		}
		if m.Err != nil {
			fill, why = "#d44", why+": "+m.Err.Error()
		}
		fmt.Fprintf(&b, `<g><title>%s %s</title><text x="%d" y="%d" text-anchor="end">%s</text>`,
			xmlText(m.Name), xmlText(why), left-6, y+12, xmlText(m.Name))
		for _, bar := range [...]struct {
			from, to time.Duration
			fill     string
		}{{m.Asked, m.Ready, "#ccd"}, {m.Ready, m.Start, "#fc6"}, {m.Start, m.End, fill}} {
			if bar.to > bar.from {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`,
					x(bar.from), y+2, max(x(bar.to)-x(bar.from), 1), row-4, bar.fill)
			}
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
