package modprobe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// coldArgs are the options of modprobe --coldplug.
type coldArgs struct {
	on    bool
	used  bool // an option was given that needs --coldplug
	o     coldplug.Options
	chart string
}

// coldOption applies an option of --coldplug; it reports false after an error message.
func (r *modprobeRun) coldOption(id int, value string) bool {
	var err error
	r.cold.used = true
	switch c := &r.cold; id {
	case optColdplug:
		c.on = true
	case optUntil:
		c.o.Until = append(c.o.Until, value)
	case optTimeout:
		c.o.Timeout, err = duration(value)
	case optSettle:
		c.o.Settle, err = duration(value)
	case optChart:
		c.chart = value
	case 'j':
		if c.o.Workers, err = strconv.Atoi(value); err != nil || c.o.Workers < 1 {
			r.Errorf("-j %s: it must be a number of modules, at least 1", value)
			return false
		}
	}
	if err != nil {
		r.Errorf("%v", err)
		return false
	}
	return true
}

// duration reads a time such as 250ms, 10s or 10, which are seconds.
func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time such as 250ms or 10s", text)
	}
	return d, nil
}

// coldplug runs modprobe --coldplug. The status is 1 if what was waited for did not appear.
func (r *modprobeRun) coldplug(operands []string) int {
	if len(operands) > 0 {
		r.Errorf("--coldplug takes no operands, but there is %q", operands[0])
		return 1
	}
	if !r.hasTree() {
		r.Warningf("%s", cli.NoTree(r.p, r.root))
	}
	r.cold.o.DryRun = r.dryRun
	missing, err := r.findSpecs()
	if err != nil {
		r.Errorf("%v", err)
		return 1
	}
	report, err := coldplug.Run(context.Background(), r.p, &r.cold.o)
	if err != nil {
		r.Errorf("%v", err)
		return 1
	}
	report.Waiting = append(report.Waiting, missing()...)
	r.refusedCold(report)
	switch {
	case r.json:
		r.out.JSON(report)
	case r.dryRun:
		for _, m := range report.Modules {
			if m.Err == nil {
				fmt.Fprintf(r.out, "insmod %s %s\n", m.Path, m.Params)
			}
		}
	}
	if r.cold.chart != "" {
		if err := r.saveChart(report); err != nil {
			r.Errorf("%v", err)
			return 1
		}
	}
	return r.coldStatus(report)
}

// findSpecs looks, while cold-plug runs, for the devices in --until that are named by content or partition, such as
// UUID=1234: cold-plug itself knows names of devices only. missing stops that, and returns those that have not
// appeared.
func (r *modprobeRun) findSpecs() (missing func() []string, err error) {
	var texts, names []string
	var specs []boot.Spec
	for _, u := range r.cold.o.Until {
		if strings.HasPrefix(u, "module:") ||
			!strings.Contains(u, "=") && !strings.HasPrefix(u, "/dev/disk/by-") {
			names = append(names, u)
			continue
		}
		spec, err := boot.ParseSpec(u)
		if err != nil {
			return nil, fmt.Errorf("--until=%s: %w", u, err)
		}
		spec.Inside = true // a hook waits for what it opens
		texts, specs = append(texts, u), append(specs, spec)
	}
	r.cold.o.Until = names
	if len(specs) == 0 || r.dryRun {
		return func() []string { return nil }, nil
	}
	enough, found := make(chan struct{}), make([]atomic.Bool, len(specs))
	r.cold.o.Enough = enough
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i, spec := range specs {
		all.Go(func() {
			b := boot.Boot{FS: r.Env.FS}
			_, err := b.Find(ctx, spec)
			found[i].Store(err == nil)
		})
	}
	go func() {
		all.Wait()
		close(enough)
	}()
	return func() (list []string) {
		cancel()
		for i := range found {
			if !found[i].Load() {
				list = append(list, texts[i])
			}
		}
		return list
	}, nil
}

// coldStatus shows what went wrong and returns the exit status. That a driver finds no device of its own is usual, so
// failures of modules are shown only with -v, or if something is missing in the end.
func (r *modprobeRun) coldStatus(report *coldplug.Report) int {
	missing := len(report.Waiting) > 0 && !r.dryRun
	if !missing && !report.TimedOut && r.verbose <= cli.LevelWarning {
		return 0
	}
	for _, m := range report.Modules {
		if m.Err != nil && (missing || report.TimedOut || !errors.Is(m.Err, coldplug.ErrNotDone)) {
			r.Warningf("%v", m.Err)
		}
	}
	r.warnEach("the driver of %s waits for another device", report.Deferred)
	if !missing && !report.TimedOut {
		return 0
	}
	r.warnEach("no module for %s", report.Unmatched)
	for _, w := range report.Waiting {
		r.Errorf("%s did not appear within %v", w, report.Took.Round(time.Millisecond))
	}
	if !missing {
		r.Errorf("not done within %v", report.Took.Round(time.Millisecond))
	}
	return 1
}

// mostWarnings is how many warnings of a kind are printed: a device can announce any number of names.
const mostWarnings = 50

// warnEach warns of each of the names, up to a bound.
func (r *modprobeRun) warnEach(format string, names []string) {
	for i, name := range names {
		if i == mostWarnings {
			r.Warningf("and so on, %d more; --json lists them", len(names)-i)
			break
		}
		r.Warningf(format, name)
	}
}
