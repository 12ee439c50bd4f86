package check

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// symversLimit is the size in bytes up to which a Module.symvers is read: 20 times what kernels have.
const symversLimit = 64 << 20

// symversAsked reads Options.Symvers. A file without exports of the kernel itself, such as the build of a module
// writes, is added to what the kernel exports.
func (c *Checker) symversAsked() error {
	table, err := c.readSymvers(c.o.Symvers)
	if err != nil {
		return err
	}
	if len(table.Of(kernel.Core).Symbols()) > 0 {
		return c.useSymvers(c.o.Symvers, table)
	}
	if err := c.kernelExports(); err != nil {
		return err
	}
	c.added = table
	c.source = strings.TrimPrefix(c.source+" and "+c.o.Symvers, " and ")
	return nil
}

// symvers reads a Module.symvers and takes it for the kernel's exports.
func (c *Checker) symvers(name string) error {
	notes := len(c.notes)
	table, err := c.readSymvers(name)
	if err == nil {
		err = c.useSymvers(name, table)
	}
	if err != nil {
		c.notes = c.notes[:notes] // they are about a file that is not used
	}
	return err
}

// readSymvers reads a Module.symvers.
func (c *Checker) readSymvers(name string) (*kernel.Table, error) {
	file, err := sysroot.Name(c.fsys, name)
	if err != nil {
		return nil, err
	}
	data, _, err := compress.ReadFile(c.fsys, file, nil, symversLimit)
	if err != nil {
		return nil, named(name, err)
	}
	table, problems, err := kernel.ParseSymvers(name, data)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		c.notes = append(c.notes, fmt.Sprintf("%s:%d: %s", name, p.Line, p.Text))
	}
	return table, nil
}

// useSymvers takes a table for the kernel's exports, unless it contradicts the sample module.
func (c *Checker) useSymvers(name string, table *kernel.Table) error {
	if sample := c.learned(); sample != nil {
		if err := table.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	c.k.Core, c.source = table.Of(kernel.Core), name
	if c.lone != nil && table.Versioned(c.lone) {
		c.lone = nil
	}
	return nil
}
