package modprobe

import (
	"io/fs"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// settleFor is how long settled retries. switchAge is the age up to which the file counts by which depmod says that it
// is replacing tables: an older one was left by a depmod that was killed.
const (
	settleFor = 2 * time.Second
	switchAge = 10 * time.Second
)

// settled calls ask until all that it read is from one set of tables: if depmod has replaced tables meanwhile, or is
// about to, it calls ask again.
func (p *Prober) settled(ask func()) {
	end := time.Now().Add(settleFor)
	for {
		t := p.tables.Load()
		ask()
		if !p.changed(t) || time.Now().After(end) {
			return
		}
		p.tables.CompareAndSwap(t, &tables{before: t})
		time.Sleep(time.Millisecond)
	}
}

// changed reports whether what was read may be from two sets of tables. The order of the checks counts: if depmod began
// to replace tables only after the first check, all that was read is from the old set; else the files that it replaced
// are different ones.
func (p *Prober) changed(t *tables) bool {
	if !p.hasDir {
		return false
	}
	if info, err := fs.Stat(p.fsys, p.name(index.SwitchName)); err == nil &&
		time.Since(info.ModTime()) < switchAge {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, before := range t.opened {
		info, err := fs.Stat(p.fsys, p.name(name))
		if err != nil {
			info = nil
		}
		if !trusted.Same(before, info) && !(before == nil && info != nil && !info.Mode().IsRegular()) {
			return true
		}
	}
	return p.tables.Load() != t
}
