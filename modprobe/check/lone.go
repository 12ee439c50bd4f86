package check

import (
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// settleLone compares the only module of the kernel's with the kernel's image, which is believed: it confirms the
// module, or the module is no longer asked.
func (c *Checker) settleLone(im *kernel.Image) {
	m := c.lone
	if m == nil {
		return
	}
	c.lone = nil
	magic, _ := m.Field("vermagic")
	if im.Exports.Confirm(m) != nil || im.Machine != 0 && im.Machine != m.Machine ||
		im.Vermagic != "" && im.Vermagic != magic {
		c.forgetLone(&c.k)
		c.sample = nil
	}
}

// forgetLone takes out of a kernel what the only module of it has told.
func (c *Checker) forgetLone(k *target) {
	was := &c.before
	k.Vermagic, k.Machine, k.Class, k.BigEndian, k.This = was.Vermagic, was.Machine, was.Class, was.BigEndian, was.This
	k.Features.Versions = was.Features.Versions
	if k.Core != nil && !k.Core.Complete {
		k.Core = nil // its versions
	}
}

// byLone makes a verdict that only the only module of the kernel's supports one that is not known.
func (c *Checker) byLone(v *Verdict, m *kernel.Module, flags int, given string) {
	k := c.k
	c.forgetLone(&k)
	if k.CheckWith(m, flags, given).Outcome == Fails {
		return
	}
	v.MayLog = append(v.MayLog, v.Log...)
	v.unknown("whether %s is one of this kernel's modules: it is the only one, and nothing else tells; "+
		"by it the load fails (%s)", c.lone.Path, errno.Text(v.Errno))
	v.Outcome, v.Errno, v.Log = Unknown, 0, nil
	for i := range v.Findings {
		v.Findings[i].Fatal = false
	}
}
