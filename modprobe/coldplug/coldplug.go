// Package coldplug loads the drivers of all devices that are there or appear.
package coldplug

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Options say how long to look for devices and how hard. The zero value loads the drivers of all devices and
// ends when nothing new has appeared for a while.
type Options struct {
	// Until names what Run waits for: a device, as /dev/sda1 or sda1, or module:NAME. When all of it is there, no
	// further module is started. Without it Run ends when nothing has happened for Settle. If Run waits for a
	// device, drivers that may lead to disks are loaded first, and the rest if it does not appear soon after.
	Until []string
	// Enough, if it is not nil, is one more thing to wait for, like a device: the caller closes it when it has what
	// it needs.
	Enough <-chan struct{}
	// Settle is how long nothing must happen before Run ends. Default: 250 ms.
	Settle time.Duration
	// Timeout ends Run; Report.TimedOut tells. Default: none if nothing is waited for, else 3 minutes.
	Timeout time.Duration
	// Workers is how many modules are loaded at a time. Default: twice the processors, at least 4, and more while
	// processors are idle because the modules that are loading wait for devices or for other modules.
	Workers int
	// DryRun loads nothing and only looks once: the report has the modules in an order in which they could be
	// loaded.
	DryRun bool
	// Uevents tells of devices that appear. Default: those of the kernel. Where these cannot be had, devices are
	// looked for at the beginning and after each quiet period only.
	Uevents Uevents
}

// ErrNotDone reports that a module was needed but not yet loaded when Run ended, because what Run waited for was there.
var ErrNotDone = errors.New("not loaded yet when cold-plug ended")

// Uevents is a source of uevents. [ListenUevents] returns one that listens to the kernel.
type Uevents interface {
	// Next waits for the next uevent. ErrUeventsLost means that some were lost; Next can be called again.
	Next() (Uevent, error)
	// Close ends a Next that waits.
	Close() error
}

// ErrUeventsLost reports that the kernel sent more uevents than the receive buffer holds.
var ErrUeventsLost = errors.New("uevents were lost")

// Uevent is the kernel's message that a device has appeared or changed.
type Uevent struct {
	// Action is add, remove, change, bind, …
	Action string
	// Device is its path below /sys, with a leading slash.
	Device string
	// Alias is its modalias, empty if it has none.
	Alias string
}

// Run loads the drivers of all devices that are there or appear, several at a time, each module once, after what
// it depends on and between its softdeps. Blacklist, forbid, parameters and install commands count as for an alias. A
// module that fails is in the report and no error; the error is that of ctx or of the options.
func Run(ctx context.Context, p *modprobe.Prober, o *Options) (*Report, error) {
	if o == nil {
		o = new(Options)
	}
	for _, u := range o.Until {
		if name := strings.TrimPrefix(u, "module:"); name == "" || strings.Contains(name, "=") {
			return nil, fmt.Errorf("cannot wait for %q: there are device names and module:NAME", u)
		}
	}
	c := newColdplug(p, o)
	defer c.close()
	err := c.run(ctx)
	c.finish()
	return &c.report, err
}

// coldplug is one run. All but load is done by the goroutine that calls run.
type coldplug struct {
	p         *modprobe.Prober
	fsys      fs.FS       // of p
	log       func(error) // of p
	o         Options
	begin     time.Time
	seen      map[string]bool // aliases looked up
	refused   map[string]bool // modules that may not be loaded for a device
	jobs      map[string]*job // by module
	order     []*job
	ready     []*job
	active    int           // modules that are being loaded
	limit     int           // how many may be loading at a time
	idleTimer *time.Timer   // next check for idle processors
	checking  bool          // idleTimer is running
	done      chan result   // what has been loaded
	quit      chan struct{} // closed when run has ended
	events    chan Uevent
	lost      chan struct{}
	scanning  bool // devices are being looked for
	waits     bool // for Until or Enough; else run ends when nothing happens any more
	// staged is set if run waits for a disk: drivers that may lead to disks come first, the rest only if needed.
	staged     bool
	stage      int         // the current stage, if staged: modules of later ones wait
	stageTimer *time.Timer // ends the current stage
	progress   time.Time   // when a module was last loaded, or about to be
	report     Report
}

// newColdplug returns a run that has not begun.
func newColdplug(p *modprobe.Prober, o *Options) *coldplug {
	from := p.Options()
	c := &coldplug{
		p: p, fsys: from.FS, log: from.Log, o: *o, begin: time.Now(),
		progress: time.Now(), seen: make(map[string]bool), refused: make(map[string]bool), jobs: make(map[string]*job),
		done: make(chan result), quit: make(chan struct{}), events: make(chan Uevent, 64),
		lost: make(chan struct{}, 1),
	}
	if c.log == nil {
		c.log = func(error) {}
	}
	c.waits = len(o.Until) > 0 || o.Enough != nil
	c.staged = !o.DryRun && (o.Enough != nil || slices.ContainsFunc(o.Until, isDevice))
	if c.stageTimer = time.NewTimer(stageTimeout[0].idle); !c.staged {
		c.stageTimer.Stop()
	}
	if c.o.Settle <= 0 {
		c.o.Settle = 250 * time.Millisecond
	}
	if c.o.Timeout <= 0 && c.waits {
		c.o.Timeout = 3 * time.Minute
	}
	c.idleTimer = time.NewTimer(idleInterval)
	c.idleTimer.Stop()
	if c.limit = c.o.Workers; c.limit <= 0 {
		c.limit = usualLimit()
	}
	return c
}

// enough reports whether Enough is closed, or nil.
func (c *coldplug) enough() bool {
	select {
	case <-c.o.Enough:
		return true
	default:
		return c.o.Enough == nil
	}
}

// since returns the time since Run began.
func (c *coldplug) since() time.Duration { return time.Since(c.begin) }

// run looks for devices and loads modules until the end.
func (c *coldplug) run(ctx context.Context) error {
	if c.o.DryRun {
		c.scan(func() {})
		c.pretend()
		return ctx.Err()
	}
	c.listen() // before the scan, so that no device is missed between the two
	scan := func() { c.scan(func() { c.advance(ctx) }) }
	scan()
	var deadline <-chan time.Time
	if c.o.Timeout > 0 {
		t := time.NewTimer(c.o.Timeout)
		defer t.Stop()
		deadline = t.C
	}
	quiet := time.NewTimer(c.o.Settle)
	defer quiet.Stop()
	for {
		if c.waits && c.enough() && len(c.waiting()) == 0 {
			return c.drain(ctx)
		}
		c.startReady(ctx)
		news, before := false, len(c.order)
		select {
		case r := <-c.done:
			c.completed(r)
			news = true
		case e := <-c.events:
			news = c.event(e)
		case <-c.lost:
			scan()
			news = true
		case <-c.idleTimer.C:
			c.checking = false
			c.limit += c.idle()
		case <-c.stageTimer.C:
			c.stage++
			c.resetStageTimer()
		case <-c.o.Enough:
			c.o.Enough = nil
		case <-quiet.C:
			quiet.Reset(c.o.Settle)
			if c.active > 0 {
				break
			}
			before := len(c.order)
			scan() // for devices that no uevent announced
			if len(c.order) == before && !c.waits {
				return nil
			}
		case <-deadline:
			c.report.TimedOut = true
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if news && (len(c.order) > before || time.Since(c.progress) < maxDelays*c.o.Settle) {
			quiet.Reset(c.o.Settle)
		}
	}
}

// startReady starts loading ready modules, the most urgent first, up to the limit.
func (c *coldplug) startReady(ctx context.Context) {
	for c.active < c.limit {
		j := c.pick()
		if j == nil {
			return
		}
		c.active++
		go c.load(ctx, j)
		c.touchStage(j)
	}
	if c.o.Workers <= 0 && len(c.ready) > 0 && !c.checking {
		c.checking = true
		c.idleTimer.Reset(idleInterval)
	}
}

// advance collects one finished module, if there is one, and starts ready ones. It does not wait.
func (c *coldplug) advance(ctx context.Context) {
	select {
	case r := <-c.done:
		c.completed(r)
	default:
	}
	c.startReady(ctx)
}

// usualLimit returns how many modules are loaded at a time while the processors are busy.
func usualLimit() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

// idleInterval is how long the limit must be reached before there is a check for idle processors.
const idleInterval = 5 * time.Millisecond

// idle returns how many processors are idle, judging by the number of running tasks. This process does not count.
func (c *coldplug) idle() int {
	data, err := fs.ReadFile(c.fsys, "proc/loadavg") // such as "0.15 0.74 1.19 1/123 4567"
	f := strings.Fields(string(data))
	if err != nil || len(f) < 4 {
		return 0
	}
	running, _, _ := strings.Cut(f[3], "/")
	n, err := strconv.Atoi(running)
	if err != nil || n < 1 { // this process is running
		return 0
	}
	return max(0, runtime.GOMAXPROCS(0)+1-n)
}

// isDevice reports whether an element of Until names a device, and not a module.
func isDevice(until string) bool { return !strings.HasPrefix(until, "module:") }

// drain waits for the modules that are being loaded, so that none is half loaded when Run returns.
func (c *coldplug) drain(ctx context.Context) error {
	for c.active > 0 {
		select {
		case r := <-c.done:
			c.completed(r)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// maxDelays is how many times Settle uevents can delay the end when no module is loaded for them: a device that keeps
// appearing and disappearing must not keep Run from ending.
const maxDelays = 20

// event handles one uevent. It reports whether the uevent may have brought something to load.
func (c *coldplug) event(e Uevent) bool {
	if e.Action != "add" && e.Action != "change" && e.Action != "bind" {
		return false
	}
	if e.Alias != "" {
		c.device(alias.Device{Path: "sys" + e.Device, Alias: e.Alias})
	}
	return true
}

// listen starts a goroutine that passes uevents to run.
func (c *coldplug) listen() {
	if c.o.Uevents == nil {
		u, err := ListenUevents()
		if err != nil {
			c.log(fmt.Errorf("no news about devices, so they are looked for again and again: %w", err))
			return
		}
		c.o.Uevents = u
	}
	go func(u Uevents) {
		for {
			e, err := u.Next()
			switch {
			case err == nil:
				select {
				case c.events <- e:
				case <-c.quit:
					return
				}
			case errors.Is(err, ErrUeventsLost):
				select {
				case c.lost <- struct{}{}:
				default: // a scan is pending already
				}
			default:
				return
			}
		}
	}(c.o.Uevents)
}

// close ends the goroutines.
func (c *coldplug) close() {
	close(c.quit)
	if c.o.Uevents != nil {
		c.o.Uevents.Close()
	}
}

// scan handles all devices that exist, and calls advance after each, so that urgent modules start at once.
func (c *coldplug) scan(advance func()) {
	n := 0
	c.scanning = true
	devices(c.fsys, func(d alias.Device) {
		n++
		c.device(d)
		advance()
	})
	c.scanning = false
	c.report.Devices = max(c.report.Devices, n)
}

// waiting returns the elements of Until that are not there yet.
func (c *coldplug) waiting() (missing []string) {
	for _, u := range c.o.Until {
		if name, ok := strings.CutPrefix(u, "module:"); ok {
			if !inKernel(c.p.State(alias.ModName(name))) {
				missing = append(missing, u)
			}
			continue
		}
		name := strings.TrimPrefix(u, "/dev/")
		_, err := fs.Stat(c.fsys, path.Join("dev", name))
		if err != nil {
			_, err = fs.Stat(c.fsys, path.Join("sys/class/block", strings.ReplaceAll(name, "/", "!")))
		}
		if err != nil {
			missing = append(missing, u)
		}
	}
	return missing
}

// inKernel reports whether a module needs not be inserted.
func inKernel(s modprobe.State) bool { return s.Builtin || s.Live }

// finish completes the report.
func (c *coldplug) finish() {
	r := &c.report
	for _, j := range c.order {
		if !j.ended {
			j.Err = fmt.Errorf("%s: %w", j.Name, ErrNotDone)
		}
		r.Modules = append(r.Modules, j.Module)
	}
	slices.Sort(r.Unmatched)
	r.Waiting = c.waiting()
	r.Took = c.since()
	data, err := fs.ReadFile(c.fsys, "sys/kernel/debug/devices_deferred")
	if err != nil {
		return // debugfs is not mounted, or this kernel has no such list
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 {
			r.Deferred = append(r.Deferred, f[0])
		}
	}
}

// Scan returns the devices with a modalias of the machine whose /sys is in fsys. Unlike alias.Devices, which walks
// all of /sys/devices, it looks only where devices that have modules are listed: at the buses and in some classes. That
// takes a tenth of the time.
func Scan(fsys fs.FS) (list []alias.Device) {
	devices(fsys, func(d alias.Device) { list = append(list, d) })
	return list
}

// devices calls yield for each device that Scan returns. The processors come first: their modules make loading the
// others faster.
func devices(fsys fs.FS, yield func(alias.Device)) {
	add := func(dir string) {
		if text, err := alias.DeviceAlias(fsys, dir); err == nil && text != "" {
			yield(alias.Device{Path: dir, Alias: text})
		}
	}
	each := func(dir string, visit func(string)) {
		names, err := fs.ReadDir(fsys, dir)
		if err != nil {
			return // a kernel without such devices
		}
		for _, n := range names {
			visit(dir + "/" + n.Name())
		}
	}
	add("sys/devices/system/cpu")
	each("sys/bus", func(bus string) { each(bus+"/devices", add) })
	each("sys/class/input", add)
	each("sys/class/dmi", add)
}
