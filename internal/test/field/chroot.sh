#!/bin/sh
# Makes the Debian 12 root that the field tests run in, and prints its folder. It holds what real hosts have around
# the module tools: kmod, initramfs-tools, dracut, dkms with a compiler, systemd, udev, a kernel and its headers.
# Made once, kept in the cache; tests work on overlays of it and never change it.
#
#   chroot.sh            print the folder, making it first if need be (root rights, debootstrap, a Debian archive)
#
# Exit status 3: something needed is missing, so that a test can skip.
set -eu
umask 022
export LC_ALL=C

cache=${GOMODPROBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gomodprobe}
here=$(dirname "$0")
root=$cache/field/bookworm

say() { echo "chroot: $*" >&2; }
cannot() { say "$*"; exit 3; }

mkdir -p "$cache/field"
exec 9>"$cache/field/lock"
flock 9
[ -e "$root/.complete" ] && { echo "$root"; exit 0; }

[ "$(id -u)" = 0 ] || cannot "this needs root rights"
command -v debootstrap >/dev/null || cannot "debootstrap is not installed; apt-get install debootstrap"
# The fetcher knows the archive of this machine, and finds it out as it fetches something.
sh "$here/../kmodtest/fetch.sh" oracle30 >/dev/null || exit $?
mirror=$(cat "$cache/apt/mirror")

umount -R "$root/proc" "$root/sys" "$root/dev" 2>/dev/null || :
rm -rf "$root.tmp" "$root"
say "debootstrap bookworm"
debootstrap --variant=minbase bookworm "$root.tmp" "$mirror" >"$cache/field/debootstrap.log" 2>&1 ||
	cannot "debootstrap failed, see $cache/field/debootstrap.log"
cp /etc/resolv.conf "$root.tmp/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root.tmp/usr/sbin/policy-rc.d"
chmod 755 "$root.tmp/usr/sbin/policy-rc.d"
mount -t proc proc "$root.tmp/proc"
trap 'umount "$root.tmp/proc"' EXIT
say "the kernel, its headers, initramfs-tools, dracut, dkms, systemd"
chroot "$root.tmp" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec '
	apt-get -qq update
	apt-get -qq -y --no-install-recommends install systemd-sysv udev kmod initramfs-tools dracut-core dkms zstd cpio
	apt-get -qq -y --no-install-recommends install linux-image-cloud-amd64 linux-headers-cloud-amd64
	apt-get clean
	rm -rf /var/lib/apt/lists/*
	passwd -d root
' >"$cache/field/apt.log" 2>&1 || cannot "installing packages failed, see $cache/field/apt.log"
umount "$root.tmp/proc"
trap - EXIT
echo gomodprobe-field >"$root.tmp/etc/hostname"
touch "$root.tmp/.complete"
mv "$root.tmp" "$root"
echo "$root"
