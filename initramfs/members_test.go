//go:build linux

package initramfs_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// baseMembers are the members in front of the guests' images, each with a file of its own and one that all of them
// have. The first is where the kernel looks for microcode. The last one makes /sbin a link, which what comes after
// must leave alone.
var baseMembers = []struct {
	name        string
	compression initramfs.Compression
}{{"early", initramfs.Plain}, {"zstd", initramfs.Zstd}, {"plain", initramfs.Plain}, {"xz", initramfs.Xz}, {"gzip", initramfs.Gzip}}

// memberText is the content of a member's own file: more than a block of zstd and some that does not repeat.
func memberText(name string) []byte {
	text := bytes.Repeat([]byte(name+" alias pci:v00008086d00001533 igb\n"), 4000)
	r := rand.New(rand.NewPCG(1, uint64(len(name))))
	for range 150_000 {
		text = append(text, byte(r.Uint32()))
	}
	return text
}

// baseImage is the members one after the other, with zero bytes between, of other lengths each time, and the members
// alone.
func baseImage(t *testing.T) (all []byte, members [][]byte) {
	t.Helper()
	var image bytes.Buffer
	for i, m := range baseMembers {
		entries := []initramfs.Entry{
			initramfs.Content("members/"+m.name, 0o644, memberText(m.name)),
			initramfs.Content("members/last", 0o644, []byte(m.name)),
		}
		switch m.name {
		case "early":
			entries = append(entries, initramfs.Content("kernel/x86/microcode/GenuineIntel.bin", 0o644, []byte("none")))
		case "gzip":
			entries = append(entries, initramfs.Dir("usr/sbin"), initramfs.Link("sbin", "usr/sbin"))
		}
		start := image.Len()
		if err := initramfs.Write(&image, entries, &initramfs.WriteOptions{Compression: m.compression}); err != nil {
			t.Fatal(err)
		}
		members = append(members, bytes.Clone(image.Bytes()[start:]))
		image.Write(make([]byte, -image.Len()&3+4*i))
	}
	return image.Bytes(), members
}

// TestGuestMembers: the kernel has unpacked every member.
func TestGuestMembers(t *testing.T) {
	vmtest.InGuest(t)
	for _, m := range baseMembers {
		if got, err := os.ReadFile("/members/" + m.name); err != nil || !bytes.Equal(got, memberText(m.name)) {
			t.Errorf("%s: %d bytes, %v", m.name, len(got), err)
		}
	}
	last := baseMembers[len(baseMembers)-1].name
	if got, err := os.ReadFile("/members/last"); err != nil || string(got) != last {
		t.Errorf("what all members have is %q, %v; want that of the last one, %s", got, err, last)
	}
	if target, err := os.Readlink("/sbin"); err != nil || target != "usr/sbin" {
		t.Errorf("/sbin leads to %q, %v", target, err)
	}
}

// TestConcatenation: of every member of a row of archives of all kinds, other programs list what we find in the row.
func TestConcatenation(t *testing.T) {
	image, members := baseImage(t)
	names := make([][]string, len(members))
	for f, err := range initramfs.NewReader(bytes.NewReader(image)).All() {
		if err != nil {
			t.Fatal(err)
		}
		names[f.Member.Index] = append(names[f.Member.Index], f.Path)
	}
	for i, data := range members {
		if how := string(baseMembers[i].compression); how != "" {
			data = unpack(t, how, data)
		}
		for _, tool := range []string{"cpio", "bsdcpio"} {
			kmodtest.Programs(t, tool)
			cmd := exec.Command(tool, "-it", "--quiet")
			cmd.Stdin = bytes.NewReader(data)
			out, err := cmd.CombinedOutput()
			if d := cmp.Diff(names[i], strings.Fields(string(out))); err != nil || d != "" {
				t.Errorf("%s, member %d: %v, %s", tool, i, err, d)
			}
		}
	}
}

// unpack expands data with the program of that name.
func unpack(t *testing.T, program string, data []byte) []byte {
	t.Helper()
	kmodtest.Programs(t, program)
	cmd := exec.Command(program, "-dc")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%s: %v %s", program, err, &stderr)
	}
	return out
}
