package boot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// Find waits for the device that spec means; it uses FS, Uevents, Log and Config.Wait. Devices are read beside each
// other, so that a slow one does not keep the others waiting. The error is ErrNoRoot when it takes longer than
// Config.Wait.
func (b *Boot) Find(ctx context.Context, spec Spec) (*Device, error) {
	news, stop := b.listen()
	defer stop()
	again := time.NewTicker(500 * time.Millisecond) // for what no uevent has told, and what could not be read
	defer again.Stop()
	began, told := time.Now(), 0
	quit := make(chan struct{})
	defer close(quit)
	read := make(chan *Device)
	known := make(map[string]bool) // devices that are being or have been read
	var failed []string
	for {
		for _, name := range Names(b.FS) {
			if known[name] {
				continue
			}
			d, err := Stat(b.FS, name)
			if err != nil || d.Size == 0 || spec.byName() && !spec.Match(d) {
				continue
			}
			known[name] = true
			go func() {
				d.Read(b.FS)
				select {
				case read <- d:
				case <-quit:
				}
			}()
		}
		select {
		case d := <-read:
			if d.Err == nil && spec.Match(d) {
				return d, nil
			} else if d.Err != nil {
				failed = append(failed, d.Name)
			}
		case name := <-news:
			delete(known, name)
		case <-again.C:
			for _, name := range failed {
				delete(known, name)
			}
			failed = failed[:0]
			took := time.Since(began)
			if limit := b.Config.Wait; limit > 0 && took > limit {
				return nil, fmt.Errorf("%w within %v", ErrNoRoot, limit)
			}
			if n := int(took / (30 * time.Second)); n > told {
				told = n
				b.log("still waiting for %s; there are: %s", spec, strings.Join(Names(b.FS), " "))
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// byName reports whether a device need not be read to know that it is meant.
func (s Spec) byName() bool { return s.Kind == Node || s.Kind == Number }

// listen returns the names of block devices that appear or change; without news from the kernel there are none.
func (b *Boot) listen() (news <-chan string, stop func()) {
	listen := b.Uevents
	if listen == nil {
		listen = coldplug.ListenUevents
	}
	u, err := listen()
	if err != nil {
		return nil, func() {}
	}
	names, quit := make(chan string), make(chan struct{})
	go func() {
		for {
			e, err := u.Next()
			if err != nil && !errors.Is(err, coldplug.ErrUeventsLost) {
				return
			}
			if err == nil && !strings.Contains(e.Device, "/block/") {
				continue
			}
			select {
			case names <- path.Base(e.Device):
			case <-quit:
				return
			}
		}
	}()
	return names, func() { close(quit); u.Close() }
}
