package coldplug

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// job is the loading of one module.
type job struct {
	Module
	step  modprobe.Step
	rank  int    // that of the most urgent of it and its users
	chain int    // length of the longest chain of jobs that wait for it
	waits int    // how many jobs have to end before it starts
	needs []*job // the jobs that it waits or waited for
	users []edge // jobs that wait for this one
	after []modprobe.Module
	ended bool

	permission *modprobe.Permission // what of its needs and softdeps may be loaded
}

// What a module is for, by the folder of its file, in the order of loading when Run waits for a disk.
const (
	forDisks = iota // drivers that lead to disks
	forUSB          // buses whose devices take seconds to appear, disks among them; and keyboards
	forOther
	forNet
	forFirst // hashes, with which the kernel checks signatures faster; and modules with the longest self-tests
	forLater // what nothing waits for at boot
)

// folders lists, by purpose, the folders below kernel/. Modules in others are forOther.
var folders = [...][]string{
	forDisks: {
		"drivers/scsi/", "drivers/message/", "drivers/ata/", "drivers/nvme/", "drivers/block/",
		"drivers/virtio/",
		"drivers/mmc/", "drivers/md/", "drivers/nvdimm/", "drivers/hv/", "drivers/xen/", "drivers/ufs/",
		"drivers/mtd/", "fs/", "drivers/pci/", "drivers/bus/", "drivers/clk/", "drivers/dma/", "drivers/gpio/",
		"drivers/iommu/", "drivers/phy/", "drivers/pinctrl/", "drivers/regulator/", "drivers/reset/",
		"drivers/s390/", "drivers/soc/",
	},
	forUSB: {"drivers/usb/", "drivers/hid/", "drivers/input/", "drivers/thunderbolt/", "drivers/firewire/"},
	forNet: {"drivers/net/", "drivers/infiniband/", "net/"},
	forFirst: {
		"arch/x86/crypto/sha256", "arch/x86/crypto/sha512", "arch/x86/crypto/aesni", "arch/x86/crypto/ghash",
		"arch/x86/kvm/", "arch/arm64/crypto/sha2", "arch/arm64/crypto/sha512", "arch/s390/crypto/sha256",
		"arch/s390/crypto/sha512",
	},
	forLater: {
		"sound/", "arch/", "crypto/", "virt/", "drivers/crypto/", "drivers/cpufreq/", "drivers/gpu/",
		"drivers/media/", "drivers/video/", "drivers/bluetooth/", "drivers/edac/", "drivers/hwmon/",
		"drivers/powercap/", "drivers/thermal/", "drivers/watchdog/",
	},
}

// purpose tells what a module file is for.
func purpose(file string) int {
	_, below, _ := strings.Cut(file, "/kernel/")
	for what, list := range folders {
		if slices.ContainsFunc(list, func(f string) bool { return strings.HasPrefix(below, f) }) {
			return what
		}
	}
	return forOther
}

// ranks is the order of loading when Run waits for no disk: what makes loading itself faster, and what takes long,
// comes first.
var ranks = [...]int{forFirst: 0, forUSB: 0, forDisks: 1, forNet: 2, forOther: 3, forLater: 4}

// rankOf returns how urgent a module file is; 0 is the most urgent.
func (c *coldplug) rankOf(file string) int {
	if c.staged {
		return purpose(file)
	}
	return ranks[purpose(file)]
}

// stages is the stage of each rank, when Run waits for a disk. Most often the disk is there after the first stage, and
// the rest is left to the system on it.
var stages = [...]int{forDisks: 0, forUSB: 1, forOther: 1, forNet: lastStage, forFirst: lastStage, forLater: lastStage}

// lastStage is the stage that no timer ends.
const lastStage = 2

// stageTimeout is how long a stage must be quiet before the next one starts. A module that is still loading may be
// stuck, so it delays the next stage, but not forever.
var stageTimeout = [lastStage]struct{ idle, loading time.Duration }{
	{idle: 100 * time.Millisecond, loading: time.Second},
	{idle: time.Second, loading: 3 * time.Second},
}

// touchStage restarts the timer of the current stage. If j belongs to an earlier stage, that stage becomes current
// again.
func (c *coldplug) touchStage(j *job) {
	if !c.staged {
		return
	}
	c.stage = min(c.stage, stages[j.rank])
	c.resetStageTimer()
}

// resetStageTimer restarts the timer that ends the current stage. The last stage has none.
func (c *coldplug) resetStageTimer() {
	if c.stage == lastStage {
		c.stageTimer.Stop()
		return
	}
	timeout := stageTimeout[c.stage]
	if c.active > 0 {
		c.stageTimer.Reset(timeout.loading)
	} else {
		c.stageTimer.Reset(timeout.idle)
	}
}

// result is what load did for a job.
type result struct {
	j          *job
	start, end time.Duration
	err        error
}

// edge leads to a job that waits.
type edge struct {
	to   *job
	hard bool // that job fails if what it waits for does
}

// device makes the jobs for the modules of a device.
func (c *coldplug) device(d alias.Device) {
	if c.seen[d.Alias] {
		return
	}
	c.seen[d.Alias] = true
	found, err := c.p.Resolve(d.Alias)
	if err != nil {
		c.report.Unmatched = append(c.report.Unmatched, d.Alias)
		return
	}
	config := c.p.Config()
	for _, m := range found {
		if m.Alias != "" && config.Blacklisted(m.Name) {
			c.log(&modprobe.Error{Op: "insert", Module: m.Name, Err: modprobe.ErrBlacklisted})
			continue
		}
		why, permission := Module{Device: d.Path, Alias: d.Alias}, c.p.Permit(m, nil)
		if err := permission.Err(); err != nil {
			c.refuse(m, why, err)
			continue
		}
		c.need(m, why, permission)
	}
}

// refuse records a module that may not be loaded. Another module may be allowed to have it loaded, so it is no job that
// others find.
func (c *coldplug) refuse(m modprobe.Module, why Module, err error) {
	if c.refused[m.Name] {
		return
	}
	c.refused[m.Name] = true
	why.Name, why.Path, why.Asked = m.Name, m.Path, c.since()
	j := &job{Module: why}
	c.order = append(c.order, j)
	c.end(j, err)
}

// need returns the job for a module, a new one if there is none yet, or nil if there is nothing to do. why has the
// device or the module that needs it.
func (c *coldplug) need(m modprobe.Module, why Module, permission *modprobe.Permission) *job {
	if j, ok := c.jobs[m.Name]; ok {
		return j
	}
	step, ok := c.p.Step(m)
	if !ok {
		c.jobs[m.Name] = nil
		return nil
	}
	j := &job{Module: why, step: step, rank: c.rankOf(m.Path), permission: permission}
	j.step.Required = true
	j.Name, j.Path, j.Params, j.Asked = m.Name, m.Path, j.step.Params, c.since()
	c.jobs[m.Name] = j
	by := Module{By: m.Name}
	for _, name := range m.Depends {
		c.wait(j, c.need(c.module(name), by, permission), true)
	}
	forbidden := func(s modprobe.Module) bool { return !permission.Allows(s.Name) }
	pre, post := c.p.Softdeps(m.Name)
	for _, s := range slices.DeleteFunc(pre, forbidden) {
		c.wait(j, c.need(s, by, permission), false)
	}
	j.after = slices.DeleteFunc(post, forbidden)
	c.order = append(c.order, j)
	if j.waits == 0 && !j.ended {
		c.start(j)
	}
	return j
}

// module returns the module of that name. One that modules.dep names without a line of its own has no file, and
// cannot be loaded.
func (c *coldplug) module(name string) modprobe.Module {
	if m, ok := c.p.Module(name); ok && m.Name == name {
		return m
	}
	return modprobe.Module{Name: name}
}

// wait makes j wait for another job, unless they would wait for each other. hard is set if j fails when other does.
func (c *coldplug) wait(j, other *job, hard bool) {
	switch {
	case other == nil || other == j || j.ended:
	case other.ended:
		if hard && other.Err != nil {
			c.end(j, fmt.Errorf("it needs %s: %w", other.Name, other.Err))
		}
	case reaches(j, other, make(map[*job]bool)):
		// A loop of softdeps, which kmod cuts as well. Hard dependencies have none.
	default:
		j.waits++
		j.needs = append(j.needs, other)
		other.users = append(other.users, edge{j, hard})
		raise(other, j.rank, j.chain+1)
	}
}

// raise makes a job, and those it waits for, at least as urgent as a user of rank, with a chain of that length.
func raise(j *job, rank, chain int) {
	if rank < j.rank || chain > j.chain {
		j.rank, j.chain = min(rank, j.rank), max(chain, j.chain)
		for _, other := range j.needs {
			raise(other, j.rank, j.chain+1)
		}
	}
}

// reaches reports whether to waits for from, directly or through other jobs.
func reaches(from, to *job, seen map[*job]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(from.users, func(e edge) bool { return reaches(e.to, to, seen) })
}

// start makes a job ready: all jobs it waited for have ended.
func (c *coldplug) start(j *job) {
	c.progress = time.Now()
	j.Ready = c.since()
	c.ready = append(c.ready, j)
	c.touchStage(j)
}

// pick removes the most urgent ready job and returns it: of equally urgent ones that with the longest chain of users,
// then the first. It returns nil if no job is ready, or the stage of that job has not started.
func (c *coldplug) pick() *job {
	if len(c.ready) == 0 {
		return nil
	}
	best := 0
	for i, j := range c.ready {
		if b := c.ready[best]; j.rank < b.rank || j.rank == b.rank && j.chain > b.chain {
			best = i
		}
	}
	j := c.ready[best]
	if c.scanning && j.rank > 0 {
		return nil // the scan may still find something more urgent
	}
	if c.staged && stages[j.rank] > c.stage {
		return nil
	}
	c.ready = slices.Delete(c.ready, best, best+1)
	return j
}

// load loads the module of a job.
func (c *coldplug) load(ctx context.Context, j *job) {
	r := result{j: j, start: c.since()}
	r.err = c.p.Run(ctx, modprobe.Plan{j.step})
	r.end = c.since()
	select {
	case c.done <- r:
	case <-c.quit:
	}
}

// completed records what load did, and makes the jobs for the softdeps that follow.
func (c *coldplug) completed(r result) {
	c.active--
	if c.o.Workers <= 0 {
		c.limit = max(c.limit-1, usualLimit())
	}
	c.progress = time.Now()
	j := r.j
	j.Start, j.End = r.start, r.end
	c.end(j, r.err)
	c.touchStage(j)
	if r.err != nil {
		return
	}
	for _, m := range j.after {
		c.need(m, Module{By: j.Name}, j.permission)
	}
}

// end marks a job as done, and starts those that waited only for it.
func (c *coldplug) end(j *job, err error) {
	if j.ended {
		return
	}
	j.ended, j.Err = true, err
	for _, e := range j.users {
		if e.to.waits--; e.to.ended {
			continue
		}
		if err != nil && e.hard {
			c.end(e.to, fmt.Errorf("it needs %s: %w", j.Name, err))
		} else if e.to.waits == 0 {
			c.start(e.to)
		}
	}
}

// pretend ends all jobs as if the modules had been loaded, in an order in which they could be.
func (c *coldplug) pretend() {
	var order []*job
	for j := c.pick(); j != nil; j = c.pick() {
		order = append(order, j)
		c.active++
		c.completed(result{j: j})
	}
	for _, j := range c.order {
		if j.Err != nil {
			order = append(order, j)
		}
	}
	c.order = order
}
