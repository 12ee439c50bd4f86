package check

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// firmware reads the keys that are enrolled in the machine's firmware: those of its owner (MOK, with mokutil) and
// those that boot loaders are signed with. Which of them a kernel trusts for modules depends on the
// distribution that built it.
func (c *Checker) firmware() {
	const efi = "sys/firmware/efi"
	if _, err := fs.Stat(c.fsys, efi); err != nil {
		return
	}
	const owner, vendor = "605dab50-e046-4300-abb6-3dd810dd8b23", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
	if entries, err := fs.ReadDir(c.fsys, efi+"/efivars"); err != nil || len(entries) == 0 {
		c.k.MoreKeys = true // not mounted, or not permitted
		return
	}
	names := []string{"db-" + vendor, "MokListRT-" + owner}
	for i := 1; i < maxLists; i++ { // a list too long for one variable continues in the next
		names = append(names, fmt.Sprintf("MokListRT%d-%s", i, owner))
	}
	for _, name := range names {
		data, err := fs.ReadFile(c.fsys, efi+"/efivars/"+name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		const attributes = 4 // bytes in front of the content
		keys, ok := kernel.EnrolledKeys(data[min(attributes, len(data)):])
		if c.k.Enrolled = append(c.k.Enrolled, keys...); err != nil || !ok {
			c.k.MoreKeys = true
		}
	}
}

// maxLists is the number of variables that may hold a part of the owner's list.
const maxLists = 8
