//go:build linux

package check_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// uses are modules that are used in the guest once they are loaded, and how.
var uses = map[string]func() error{
	"dummy": func() error { return transmits("dummy0") },
	"veth":  func() error { return withLink("veth", "vethown") },
	"tun":   tap,
	"brd":   func() error { return blocks("/dev/ram0") },
	"zram":  useZram,
	"loop":  func() error { return onLoop("/trials/ext4", false, blocks) },
	"ext4":  func() error { return fileSystem("ext4") },
	"vfat":  func() error { return fileSystem("vfat") },
	"minix": func() error { return fileSystem("minix") },
	"squashfs": func() error {
		return onLoop("/trials/squashfs", true, func(dev string) error { return readSystem(dev, "squashfs", "") })
	},
	"overlay": overlay,
}

// content is what the files hold that are read from file systems.
var content = strings.Repeat("a file that the guest reads\n", 4000)

// disk makes the image of an empty file system.
func disk(t testing.TB, tool string, args ...string) []byte {
	t.Helper()
	kmodtest.Programs(t, tool)
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, append(args, name)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	return read(t, name)
}

// squashed makes the image of a squashfs that has a file.
func squashed(t testing.TB) []byte {
	t.Helper()
	kmodtest.Programs(t, "mksquashfs")
	dir, name := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(dir+"/file", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mksquashfs", dir, name, "-quiet", "-no-progress").CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs: %v\n%s", err, out)
	}
	return read(t, name)
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// opened opens a device that appears when its driver is loaded, or a little later.
func opened(name string, flags int) (fd int, err error) {
	for range 100 {
		if fd, err = unix.Open(name, flags|unix.O_CLOEXEC, 0); err == nil {
			return fd, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return -1, fmt.Errorf("%s: %w", name, err)
}

// blocks writes to a block device and reads it back, past the cache.
func blocks(dev string) error {
	const size = 64 << 10
	buf, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(buf)
	for i := range size {
		buf[i] = byte(i * i >> 7)
	}
	fd, err := opened(dev, unix.O_RDWR|unix.O_DIRECT)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for at := int64(0); at < 1<<20; at += 4 * size {
		if n, err := unix.Pwrite(fd, buf[:size], at); n != size {
			return fmt.Errorf("%s: %d written at %#x: %w", dev, n, at, err)
		}
		if n, err := unix.Pread(fd, buf[size:], at); n != size {
			return fmt.Errorf("%s: %d read at %#x: %w", dev, n, at, err)
		}
		if !bytes.Equal(buf[:size], buf[size:]) {
			return fmt.Errorf("%s: other bytes at %#x", dev, at)
		}
	}
	return unix.Fsync(fd)
}

func useZram() error {
	const disksize = "/sys/block/zram0/disksize"
	if err := os.WriteFile(disksize, []byte("2M"), 0); err != nil {
		return err
	}
	if err := blocks("/dev/zram0"); err != nil {
		return err
	}
	return os.WriteFile("/sys/block/zram0/reset", []byte("1"), 0)
}

// onLoop hands a copy of a file over as a block device, by the kernel's own loop unless another one is loaded.
func onLoop(file string, readOnly bool, use func(dev string) error) error {
	if err := exec.Command("/sbin/modprobe", "loop").Run(); err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile("/tmp/disk", data, 0o600); err != nil {
		return err
	}
	back, err := os.OpenFile("/tmp/disk", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer back.Close()
	ctl, err := opened("/dev/loop-control", unix.O_RDWR)
	if err != nil {
		return err
	}
	defer unix.Close(ctl)
	n, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return err
	}
	dev := fmt.Sprintf("/dev/loop%d", n)
	mode := unix.O_RDWR
	if readOnly {
		mode = unix.O_RDONLY
	}
	fd, err := opened(dev, mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.IoctlSetInt(fd, unix.LOOP_SET_FD, int(back.Fd())); err != nil {
		return fmt.Errorf("%s: LOOP_SET_FD: %w", dev, err)
	}
	return errors.Join(use(dev), unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0))
}

// fileSystem mounts a file system twice: a file is written and read again.
func fileSystem(kind string) error {
	return onLoop("/trials/"+kind, false, func(dev string) error {
		if err := mounted(dev, kind, 0, "", func(dir string) error {
			return os.WriteFile(dir+"/file", []byte(content), 0o600)
		}); err != nil {
			return err
		}
		return readSystem(dev, kind, "")
	})
}

func readSystem(dev, kind, options string) error {
	return mounted(dev, kind, unix.MS_RDONLY, options, func(dir string) error {
		data, err := os.ReadFile(dir + "/file")
		switch {
		case err != nil:
			return err
		case string(data) != content:
			return fmt.Errorf("%d bytes read, not those that were written", len(data))
		}
		names, err := fs.Glob(os.DirFS(dir), "f*")
		if len(names) != 1 {
			return fmt.Errorf("listed: %q, %w", names, err)
		}
		return nil
	})
}

func mounted(dev, kind string, flags uintptr, options string, use func(dir string) error) error {
	const dir = "/tmp/mnt"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dev, dir, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	return errors.Join(use(dir), unix.Unmount(dir, 0))
}

// overlay reads a file of the lower folder and writes it, which copies it up.
func overlay() error {
	for _, dir := range []string{"/tmp/lower", "/tmp/upper", "/tmp/work"} {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/tmp/lower/file", []byte(content), 0o600); err != nil {
		return err
	}
	const options = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"
	if err := readSystem("overlay", "overlay", options); err != nil {
		return err
	}
	if err := mounted("overlay", "overlay", 0, options, func(dir string) error {
		return os.WriteFile(dir+"/file", []byte("changed"), 0o600)
	}); err != nil {
		return err
	}
	if data, err := os.ReadFile("/tmp/upper/file"); string(data) != "changed" {
		return fmt.Errorf("in the upper folder: %.20q, %w", data, err)
	}
	return nil
}

// rawSocket opens a socket for all packets of a network device, and sets the device up.
func rawSocket(name string) (fd int, to unix.SockaddrLinklayer, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		return -1, to, fmt.Errorf("af_packet: %w", err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
	}
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr)
	}
	if err != nil {
		unix.Close(fd)
		return -1, to, fmt.Errorf("%s: %w", name, err)
	}
	to = unix.SockaddrLinklayer{Protocol: htons(frameType), Ifindex: int(ifr.Uint32()), Halen: 6, Addr: [8]byte{2, 1, 2, 3, 4, 5}}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: to.Ifindex}); err != nil {
		unix.Close(fd)
		return -1, to, err
	}
	return fd, to, nil
}

const frameType = 0x88b5 // for experiments

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// frame is a packet for a network device.
func frame() []byte {
	data := append([]byte{2, 1, 2, 3, 4, 5, 2, 6, 7, 8, 9, 10, frameType >> 8, frameType & 0xff}, content[:400]...)
	return data
}

// transmits sends packets by a network device and looks whether it counts them.
func transmits(name string) error {
	fd, to, err := rawSocket(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	statistic := "/sys/class/net/" + name + "/statistics/tx_packets"
	before := readNumber(statistic)
	for range 20 {
		if err := unix.Sendto(fd, frame(), 0, &to); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if n := readNumber(statistic) - before; n < 20 {
		return fmt.Errorf("%s counts %d packets of 20", name, n)
	}
	return nil
}

func readNumber(file string) (n int) {
	data, _ := os.ReadFile(file)
	fmt.Sscan(string(data), &n)
	return n
}

// withLink makes a pair of network devices, sends by one and reads from the other.
func withLink(kind, name string) error {
	if err := newLink(kind, name); err != nil {
		return fmt.Errorf("new link %s: %w", kind, err)
	}
	devices, _ := filepath.Glob("/sys/class/net/veth*")
	if len(devices) != 2 {
		return fmt.Errorf("devices: %q", devices)
	}
	a, to, err := rawSocket(filepath.Base(devices[0]))
	if err != nil {
		return err
	}
	defer unix.Close(a)
	b, _, err := rawSocket(filepath.Base(devices[1]))
	if err != nil {
		return err
	}
	defer unix.Close(b)
	if err := unix.Sendto(a, frame(), 0, &to); err != nil {
		return err
	}
	return arrives(b)
}

// arrives waits until the frame can be read.
func arrives(fd int) error {
	buf := make([]byte, 2048)
	for range 100 {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, 100); err != nil && err != unix.EINTR {
			return err
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			continue
		}
		n, err := unix.Read(fd, buf)
		if err != nil {
			return err
		}
		if bytes.Equal(buf[:n], frame()) {
			return nil
		}
	}
	return errors.New("the packet does not arrive")
}

// newLink asks the kernel for a network device of a kind, by RTM_NEWLINK.
func newLink(kind, name string) error {
	attr := func(kind uint16, data []byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	body := make([]byte, unix.SizeofIfInfomsg)
	body = append(body, attr(unix.IFLA_IFNAME, []byte(name+"\x00"))...)
	body = append(body, attr(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, []byte(kind+"\x00")))...)
	head := unix.NlMsghdr{Len: uint32(unix.SizeofNlMsghdr + len(body)), Type: unix.RTM_NEWLINK,
		Flags: unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_ACK}
	message := append(bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&head)), unix.SizeofNlMsghdr)), body...)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("%d bytes, %w", n, err)
	}
	if code := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// tap makes a network device whose packets a program reads.
func tap() error {
	fd, err := opened("/dev/net/tun", unix.O_RDWR)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("tap7")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	s, to, err := rawSocket("tap7")
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := unix.Sendto(s, frame(), 0, &to); err != nil {
		return err
	}
	return arrives(fd)
}
