package modprobe

import (
	"io/fs"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// How long settled tries, and how old the file by which depmod says that it exchanges tables can be: an older one is
// left of a depmod that was killed, and says nothing any more.
const (
	settleFor = 2 * time.Second
	switchAge = 10 * time.Second
)

// settled has a question answered by one set of tables: if depmod exchanged them meanwhile, or is about to, it is
// asked again.
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

// changed reports whether what was read from tables may be of two sets. The order counts: if depmod has begun to
// exchange tables only after the first question, all that was read is of the old set; else those that it has
// exchanged are not the same any more.
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
