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

// Find waits for the device that spec means; it uses FS, Uevents, Log and Config.Wait. The error is ErrNoRoot when it
// takes longer than Config.Wait, and a *MemberError at once when the device is there and is the lower half of
// something. With spec.Inside that is what is looked for.
func (b *Boot) Find(ctx context.Context, spec Spec) (*Device, error) {
	began, told := time.Now(), 0
	var found *Device
	var counted []*Device // those from which PARTNROFF= counts
	err := b.watch(ctx, watcher{
		skip: func(d *Device) bool { return spec.byName() && !spec.Match(d) && !b.holds(spec) },
		see: func(d *Device) (bool, error) {
			switch {
			case spec.Match(d):
				found = d
			case spec.counts(d):
				counted = append(counted, d)
				found = d.neighbour(b.FS, spec.Offset)
			default:
				return false, b.inside(spec, d)
			}
			return found != nil, nil
		},
		tick: func() (bool, error) {
			for _, d := range counted {
				if found = d.neighbour(b.FS, spec.Offset); found != nil {
					return true, nil
				}
			}
			took := time.Since(began)
			if limit := b.Config.Wait; limit > 0 && took > limit && !b.busy(took) {
				return false, fmt.Errorf("%w within %v", ErrNoRoot, max(limit, took.Truncate(time.Second)))
			}
			if n := int(took / (30 * time.Second)); n > told {
				told = n
				b.log("still waiting for %s; there are: %s", spec, strings.Join(Names(b.FS), " "))
			}
			return false, nil
		},
	})
	return found, err
}

// watcher is what watch calls.
type watcher struct {
	skip func(*Device) bool          // need not be read; nil: all are
	see  func(*Device) (bool, error) // was read; true or an error ends it
	tick func() (bool, error)        // twice a second
}

// watch reads the block devices that are there and those that appear. Devices are read beside each other, so that a
// slow one does not keep the others waiting.
func (b *Boot) watch(ctx context.Context, w watcher) error {
	news, stop := b.listen()
	defer stop()
	again := time.NewTicker(500 * time.Millisecond) // for what no uevent has told, and what could not be read
	defer again.Stop()
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
			if err != nil || d.Size == 0 || w.skip != nil && w.skip(d) {
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
		done, err := false, error(nil)
		select {
		case d := <-read:
			if d.Err != nil {
				failed = append(failed, d.Name)
				continue
			}
			done, err = w.see(d)
		case name := <-news:
			delete(known, name)
		case <-again.C:
			for _, name := range failed {
				delete(known, name)
			}
			failed = failed[:0]
			done, err = w.tick()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if done || err != nil {
			return err
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
