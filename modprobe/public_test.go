package modprobe_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// TestPublic has what a program outside asks of a Prober: both spellings of a name, absolute paths, lines of a plan,
// and what a module needs softly and weakly.
func TestPublic(t *testing.T) {
	machine := image()
	const dir = "lib/modules/6.1.0/"
	machine[dir+"kernel/snd-card.ko"] = &fstest.MapFile{Data: []byte("no ELF object")}
	machine[dir+"modules.dep"].Data = append(machine[dir+"modules.dep"].Data, "kernel/snd-card.ko:\n"...)
	machine[dir+"modules.weakdep"] = &fstest.MapFile{Data: []byte("weakdep ext4 snd-card nosuch\n")}
	machine["sys/module/snd_card/initstate"] = &fstest.MapFile{Data: []byte("live\n")}
	kernel := new(modprobetest.Kernel)
	p, err := modprobe.New(&modprobe.Options{FS: machine, Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"snd-card", "snd_card"} {
		if !p.State(name).Live {
			t.Errorf("State(%s): not live", name)
		}
	}
	plan, err := p.Plan("ext4", nil)
	const want = "insmod /lib/modules/6.1.0/kernel/lib/crc16.ko \ninsmod /lib/modules/6.1.0/kernel/fs/ext4.ko a=1 \n"
	if got := fmt.Sprint(plan); err != nil || got != want {
		t.Errorf("plan = %q, %v; want %q", got, err, want)
	}
	if got := p.Weakdeps("ext4"); len(got) != 1 || got[0].Name != "snd_card" {
		t.Errorf("Weakdeps = %v", got)
	}
	for _, name := range []string{"/" + dir + "kernel/snd-card.ko", dir + "kernel/lib/crc16.ko"} {
		if err := p.InsmodFile(name, "", 0); err != nil {
			t.Errorf("InsmodFile(%s): %v", name, err)
		}
	}
	if got := fmt.Sprint(kernel.Loaded()); got != "[snd_card crc16]" {
		t.Errorf("loaded: %s", got)
	}
	if err := p.InsmodFile("/nosuch.ko", "", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("InsmodFile of nothing: %v", err)
	}
}
