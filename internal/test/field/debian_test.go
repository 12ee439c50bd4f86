//go:build linux

package field_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// both runs a script in two Debian roots, one with kmod, one with our tools switched on, and returns what it prints in
// each. $V is the kernel's release.
func both(t *testing.T, script string) (kmod, ours string) {
	t.Helper()
	for _, switched := range []bool{false, true} {
		r := debian(t)
		r.install(t, switched)
		text := r.run(t, "V="+r.release(t)+"\n"+script)
		if switched {
			ours = text
		} else {
			kmod = text
		}
	}
	return kmod, ours
}

// sections splits a text at lines "=== NAME".
func sections(text string) map[string]string {
	all := map[string]string{}
	for part := range strings.SplitSeq("\n"+text, "\n=== ") {
		name, body, _ := strings.Cut(part, "\n")
		all[name] = body
	}
	return all
}

// tables prints checksums of the text tables, and of what Debian 12's kmod 30 (like udev's library of that version)
// reads out of the binary ones: all aliases and symbols, and what loading each module would do. kmod 30 lays the
// binary ones out in another order than kmod 34.2, whose bytes ours are, and knows no modules.weakdep.
const tables = `
echo "=== tables"
tables() { # DIR of lib/modules
	(cd $1/lib/modules/$V && sha256sum modules.* | grep -v 'weakdep\|\.bin$')
	old=/usr/lib/gomodprobe/modprobe
	[ -x $old ] || old=/sbin/modprobe
	echo "as kmod 30 reads them"
	$old -V | head -n1
	$old -d "$1/" -S $V -C /dev/null -c >/tmp/all && sha256sum </tmp/all
	sed 's|:.*||; s|.*/||; s|\.ko.*||' $1/lib/modules/$V/modules.dep | xargs $old -d "$1/" -S $V -C /dev/null -a -D >/tmp/all && sha256sum </tmp/all
	wc -l </tmp/all
}
tables ""
`

// TestSwitch: the package installs beside kmod; the switch goes on, survives an update of kmod, and off; removing the
// package brings kmod back.
func TestSwitch(t *testing.T) {
	field(t)
	r := debian(t)
	r.install(t, false)
	before := r.run(t, "modprobe -V; ls -l /bin/kmod; gomodprobe -V | tail -n1; gomodprobe-switch status | head -n1")
	if !strings.Contains(before, "kmod version 30\n") || !strings.Contains(before, "\ngomodprobe ") || !strings.HasSuffix(before, "off\n") {
		t.Errorf("beside kmod:\n%s", before)
	}
	on := r.run(t, `gomodprobe-switch on
for tool in modprobe depmod modinfo insmod rmmod lsmod kmod /sbin/modprobe /bin/kmod; do $tool -V | tail -n1; done
gomodprobe-switch on; gomodprobe-switch status | head -n1`)
	if n := strings.Count(on, "\ngomodprobe "); n != 9 || !strings.HasSuffix(on, "already on\non\n") {
		t.Errorf("switched on, %d of 9 tools are ours:\n%s", n, on)
	}
	// An update of kmod, as dpkg does it: the package is packed again from its files and installed over itself.
	update := r.run(t, `mkdir -p /tmp/k/DEBIAN && dpkg-query -f '${binary:Package}\n' -W kmod >/dev/null
dpkg -L kmod | while read -r f; do
	[ ! -d "$f" ] || continue
	if [ -L "$f" ] || [ -f "$f" ]; then
		g=$f; [ "$f" != /bin/kmod ] || g=/usr/lib/gomodprobe/kmod
		mkdir -p "/tmp/k$(dirname "$f")"; cp -a "$g" "/tmp/k$f"
	fi
done
dpkg-query -s kmod | sed '/^Status:/d; /^Conffiles:/,/^[A-Z]/{/^Conffiles:/d; /^ /d}' >/tmp/k/DEBIAN/control
dpkg-deb --root-owner-group --build /tmp/k /tmp/kmod.deb >/dev/null
dpkg -i /tmp/kmod.deb >/dev/null 2>&1
modprobe -V | head -n1; /usr/lib/gomodprobe/modprobe --version | head -n1`)
	if !strings.HasPrefix(update, "kmod version 34.2\n") || !strings.HasSuffix(update, "kmod version 30\n") {
		t.Errorf("after an update of kmod:\n%s", update)
	}
	off := r.run(t, `gomodprobe-switch off; modprobe -V | head -n1; dpkg-divert --list '*kmod*'; ls /usr/lib/gomodprobe 2>&1 || :
gomodprobe-switch on >/dev/null; dpkg -P gomodprobe >/dev/null; modprobe -V | head -n1; dpkg-divert --list '*kmod*'; dpkg --verify kmod`)
	want := "off\nkmod version 30\nls: cannot access '/usr/lib/gomodprobe': No such file or directory\nkmod version 30\n"
	if d := cmp.Diff(want, off); d != "" {
		t.Errorf("switched off, and removed while on (-want +got):\n%s", d)
	}
	proved(t, "the package installs beside kmod, gomodprobe-switch makes nine names ours, an update of kmod leaves that alone, off and removal restore kmod")
}

// TestDepmod: the tables of the installed kernel are the same bytes.
func TestDepmod(t *testing.T) {
	field(t)
	kmod, ours := both(t, "depmod -a $V\n"+tables)
	if d := cmp.Diff(kmod, ours); d != "" {
		t.Errorf("kmod (-) and ours (+):\n%s", d)
	}
	proved(t, "depmod -a writes the text tables of Debian 12's kmod 30, which reads the same out of the binary ones")
}

// unpacked prints checksums of what is in an image, made by IMAGE, but not of the tools themselves, and the log.
const unpacked = `
echo "=== files"
mkdir /tmp/x && cd /tmp/x && unmkinitramfs /tmp/image . >/dev/null && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
find . -type l -printf '%p -> %l\n' | LC_ALL=C sort
find . -type d -print | LC_ALL=C sort`

// sameImages compares the images' files, of which the named ones belong to the tools, and the logs.
func sameImages(t *testing.T, kmod, ours string, own func(line string) bool) (files int) {
	t.Helper()
	k, o := sections(kmod), sections(ours)
	if d := cmp.Diff(k["log"], o["log"]); d != "" {
		t.Errorf("log of kmod (-) and of ours (+):\n%s", d)
	}
	if d := cmp.Diff(k["tables"], o["tables"]); d != "" {
		t.Errorf("tables of kmod (-) and of ours (+):\n%s", d)
	}
	lines := func(text string) []string {
		return slices.DeleteFunc(strings.Split(text, "\n"), own)
	}
	a, b := lines(k["files"]), lines(o["files"])
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("files with kmod (-) and with ours (+):\n%s", d)
	}
	if len(b) < 200 {
		t.Errorf("only %d files in the image", len(b))
	}
	return len(b)
}

// toolFile reports whether a line is about the tools or the libraries that only kmod needs.
func toolFile(line string) bool {
	for _, part := range []string{"bin/kmod", "bin/gomodprobe", "modprobe", "libzstd.so", "liblzma.so", "libcrypto.so", "modules.weakdep", ".bin"} {
		if strings.Contains(line, part) && !strings.Contains(line, "modprobe.d") {
			return true
		}
	}
	return false
}

// TestInitramfsTools: update-initramfs makes an image with the same files, tables and messages.
func TestInitramfsTools(t *testing.T) {
	field(t)
	kmod, ours := both(t, `sed -i 's/^COMPRESS=.*/COMPRESS=gzip/' /etc/initramfs-tools/initramfs.conf
rm -f /boot/initrd.img-$V
echo "=== log"
update-initramfs -c -k $V 2>&1
cp /boot/initrd.img-$V /tmp/image`+tables+unpacked+"\ntables /tmp/x\n")
	n := sameImages(t, kmod, ours, toolFile)
	if !strings.Contains(sections(ours)["files"], "gomodprobe") {
		t.Error("our tool is not in the image that was made with it")
	}
	proved(t, "update-initramfs -c: %d equal lines of files, links and folders, an equal log; the image has our tool in it", n)
}

// TestDracut: dracut makes an image with the same files and messages.
func TestDracut(t *testing.T) {
	field(t)
	kmod, ours := both(t, `echo "=== log"
dracut --no-hostonly --reproducible --gzip --kver $V -o "crypt dm lvm mdraid multipath nfs iscsi" --force /tmp/image 2>&1 | sed "/\*\*\* Hardlinking files \*\*\*/,/Hardlinking files done/d"
echo "=== files"
lsinitrd /tmp/image | sed -n '/^drwx/,$p' | awk '{ print $1, $9, $10, $11 }'`)
	n := sameImages(t, kmod, ours, toolFile)
	proved(t, "dracut: %d equal files, an equal log", n)
}

// TestKernelPackage: the scripts of a kernel package run, with the same messages and tables.
func TestKernelPackage(t *testing.T) {
	field(t)
	kmod, ours := both(t, `rm /lib/modules/$V/modules.dep* /lib/modules/$V/modules.alias*
dpkg-reconfigure linux-image-$V 2>&1
`+tables)
	if d := cmp.Diff(kmod, ours); d != "" {
		t.Errorf("kmod (-) and ours (+):\n%s", d)
	}
	if !strings.Contains(ours, "update-initramfs: Generating") || !strings.Contains(ours, "  modules.dep\n") {
		t.Errorf("the scripts did not make tables and image:\n%s", ours)
	}
	proved(t, "a kernel package's postinst makes the same tables and prints the same")
}

// TestDKMS: a module is built, installed, seen and removed again, with the same messages and tables.
func TestDKMS(t *testing.T) {
	field(t)
	kmod, ours := both(t, `mkdir -p /usr/src/hello-1.0
cat >/usr/src/hello-1.0/dkms.conf <<-'CONF'
	PACKAGE_NAME=hello
	PACKAGE_VERSION=1.0
	BUILT_MODULE_NAME[0]=hello
	DEST_MODULE_LOCATION[0]=/kernel/drivers/misc
	AUTOINSTALL=yes
CONF
echo 'obj-m := hello.o' >/usr/src/hello-1.0/Makefile
cat >/usr/src/hello-1.0/hello.c <<-'C'
	#include <linux/module.h>
	static int answer = 42;
	module_param(answer, int, 0444);
	MODULE_PARM_DESC(answer, "the answer");
	MODULE_LICENSE("GPL");
	MODULE_VERSION("1.0");
	MODULE_ALIAS("field-hello");
C
dkms add hello/1.0 2>&1
dkms install hello/1.0 -k $V 2>&1 | sed 's/-j[0-9]*//; s/[0-9]* cores//'
dkms status
modinfo -k $V hello
modprobe -S $V -D field-hello answer=1
`+tables+`
echo "=== removed"
dkms remove hello/1.0 --all 2>&1
modprobe -S $V -D hello 2>&1 || echo "status $?"
`+tables)
	if d := cmp.Diff(kmod, ours); d != "" {
		t.Errorf("kmod (-) and ours (+):\n%s", d)
	}
	for _, want := range []string{"updates/dkms/hello.ko", "parm:           answer:the answer (int)", "hello.ko answer=1", "Module hello not found"} {
		if !strings.Contains(ours, want) {
			t.Errorf("no %q in\n%s", want, ours)
		}
	}
	proved(t, "dkms builds, installs and removes a module; messages, modinfo and tables are equal")
}
