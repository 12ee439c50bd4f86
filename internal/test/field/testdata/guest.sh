#!/bin/sh
# shellcheck disable=SC2016 # the scripts in quotes are for another shell
# Runs in a Debian guest whose modprobe is ours, started by systemd. Every check prints "ok NAME" or "not ok NAME" and why.
exec >/dev/ttyS1 2>&1
export LC_ALL=C.UTF-8
container=/srv/container
V=$(uname -r)

check() { # NAME SCRIPT
	if out=$(sh -ec "$2" 2>&1); then
		echo "ok $1"
	else
		echo "not ok $1 | $out"
	fi
}

# says NAME STATUS PATTERN SCRIPT: the script ends with that status, and a line of its output matches.
says() {
	out=$(sh -c "$4" 2>&1)
	status=$?
	if [ "$status" = "$2" ] && printf '%s\n' "$out" | grep -Eq -- "$3"; then
		echo "ok $1"
	else
		echo "not ok $1 | status $status, want $2 and $3: $out"
	fi
}

F='loaded() { for m; do [ -d "/sys/module/$m" ] || { echo "$m is not loaded"; exit 1; }; done; }
unloaded() { for m; do [ ! -d "/sys/module/$m" ] || { echo "$m is loaded"; exit 1; }; done; }
'

# The boot itself: this system was reached through an image in which modprobe is ours.
check 'modprobe is gomodprobe' 'modprobe -V | grep -q gomodprobe; grep -qx /sbin/modprobe /proc/sys/kernel/modprobe'
check 'initramfs: our modprobe found the disk' 'findmnt -n -o SOURCE / | grep -q /dev/vda; [ -e /run/initramfs ]'
says 'initramfs: no complaint of modprobe' 1 '^$' 'journalctl -b -o cat | grep -E "modprobe: (FATAL|ERROR|WARNING)"'

# systemd
says 'systemd-modules-load.service' 0 '^active$' 'systemctl is-active systemd-modules-load.service'
check 'systemd-modules-load: the module is there' "$F loaded dummy"
says 'kmod-static-nodes.service' 0 '^active$' 'systemctl is-active kmod-static-nodes.service'
check 'kmod static-nodes: its file' 'grep -q "^c! /dev/net/tun 0600 - - - 10:200$" /run/tmpfiles.d/static-nodes.conf; [ -c /dev/net/tun ]'
check 'modprobe@8021q.service' "systemctl start modprobe@8021q.service; $F loaded 8021q; systemctl show -p Result modprobe@8021q.service | grep -qx Result=success"
check 'modprobe@nosuch.service: no error' 'systemctl start modprobe@nosuch.service; ! systemctl is-failed -q modprobe@nosuch.service'
check 'no unit failed' '[ -z "$(systemctl --failed --no-legend | tee /dev/stderr)" ]'

# The kernel starts modprobe itself.
check 'request_module: fs-squashfs' "$F unloaded squashfs; mount -t squashfs /dev/zero /mnt 2>/dev/null || :; loaded squashfs"
check 'request_module: opening a static node' "$F unloaded tun; (: </dev/net/tun) || :; loaded tun"
check 'request_module: a name that does not exist' '! mount -t nosuchfs none /mnt 2>/dev/null; ! dmesg | grep -q "modprobe.*status"'

# By hand. udevd has a look at new disks, and a module is in use as long: settle waits for that.
says 'modprobe -v' 0 "^insmod /lib/modules/$V/kernel/net/netfilter/ipvs/ip_vs.ko " 'modprobe -v ip_vs'
says 'modprobe --first-time' 1 "could not insert 'ip_vs': Module already in kernel" 'modprobe --first-time ip_vs'
says 'lsmod' 0 '^nf_conntrack +[0-9]+ +[0-9]+ .*ip_vs' 'lsmod'
says 'rmmod of a module in use' 1 'Module nf_conntrack is in use by: .*ip_vs' 'rmmod nf_conntrack'
check 'modprobe -r takes what it needs along' "$F modprobe -r ip_vs; unloaded ip_vs nf_conntrack nf_defrag_ipv6"
says 'insmod without what it needs' 1 'Unknown symbol in module' "insmod /lib/modules/$V/kernel/net/netfilter/ipvs/ip_vs.ko"
says 'modprobe with a wrong parameter: the reason' 0 'unknown parameter .nosuch. ignored' 'modprobe nbd nosuch=1; dmesg | tail -n 3'
check 'parameters' 'udevadm settle; modprobe -r nbd; modprobe nbd nbds_max=3; [ "$(cat /sys/module/nbd/parameters/nbds_max)" = 3 ]; udevadm settle; modprobe -r nbd'
check 'compressed modules' "for c in 'gzip -9' 'xz --check=crc32' 'zstd -q'; do
	command -v \${c%% *} >/dev/null || { echo \"no \$c\"; exit 1; }
	\$c -c /lib/modules/$V/kernel/drivers/block/nbd.ko >/tmp/nbd.ko.x; insmod /tmp/nbd.ko.x; udevadm settle; rmmod nbd; done"
check 'twenty at once' "$F pids=; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do modprobe ip_vs & pids=\"\$pids \$!\"; done
for p in \$pids; do wait \$p; done; loaded ip_vs; modprobe -r ip_vs"

# The examples of the man pages
check 'modprobe(8): what would load for a device' 'modprobe -r ip_vs 2>/dev/null || :; modprobe -nv "$(cat /sys/class/block/vda/device/modalias)"'
says 'modprobe(8): --check --all-kernels' 1 'FAILS' 'modprobe --check --all-kernels ~root/nbd.ko'
check 'modprobe(8): sysctl kernel.modprobe' "$F echo /usr/sbin/gomodprobe >/proc/sys/kernel/modprobe; unloaded udf
mount -t udf /dev/zero /mnt 2>/dev/null || :; echo /sbin/modprobe >/proc/sys/kernel/modprobe; loaded udf; modprobe -r udf"
check 'modprobe.d(5): softdep and options' "$F printf 'blacklist tun\nsoftdep nbd pre: udf\noptions nbd nbds_max=5\n' >/etc/modprobe.d/example.conf
modprobe nbd; rm /etc/modprobe.d/example.conf; loaded udf; [ \"\$(cat /sys/module/nbd/parameters/nbds_max)\" = 5 ]; udevadm settle; modprobe -r nbd udf"
check 'goinitramfs(8): build --host, why' 'goinitramfs build -o /tmp/image --host --firmware --config; goinitramfs why /tmp/image virtio_blk | grep -q "^virtio_blk: "; rm /tmp/image'

# Containers: a root with nothing but our program and links, and the modules.
in_container="unshare -m sh -ec 'mount --bind /lib/modules $container/lib/modules; mount -o remount,bind,ro $container/lib/modules; mount -t proc proc $container/proc; mount --rbind /sys $container/sys; exec \"\$@\"' sh"
run="$in_container chroot $container"
check 'container: nothing else is in it' "[ \"\$(find $container -type f | grep -v copyright)\" = $container/gomodprobe ]"
check 'container: kube-proxy, k3s: modprobe -- NAME' "$F $run modprobe -- ip_vs; $run modprobe -- nfnetlink-subsys-11; $run modprobe -- nft-chain-2-nat; loaded ip_vs nfnetlink nft_chain_nat"
check 'container: moby: modprobe -va NAME' "$F $run modprobe -va br_netfilter | grep -q '^insmod .*br_netfilter.ko $'; loaded br_netfilter"
check 'container: calico: modprobe -a xt_set ip6_tables' "$F $run modprobe -a xt_set ip6_tables; loaded xt_set ip6_tables"
says 'container: system-validators: modprobe configs' 1 "^modprobe: FATAL: Module configs not found in directory /lib/modules/$V\$" "$run modprobe configs"
says 'container: system-validators: modprobe -r configs' 1 '^modprobe: FATAL: Module configs not found.$' "$run modprobe -r configs"
says 'container: kata: modprobe -v NAME p=v' 0 '^insmod .*/nbd.ko nbds_max=2$' "$run /sbin/modprobe -v nbd nbds_max=2"
check 'container: KMM: modprobe -rvd DIR NAME' "udevadm settle; $run modprobe -rvd / nbd | grep -qx 'rmmod nbd'"
says 'container: KMM: modprobe -vd DIR NAME p=v' 0 '^insmod /+lib/modules/.*/nbd.ko nbds_max=4$' "$run modprobe -vd / nbd nbds_max=4"
check 'container: KMM: modprobe -rv NAMES' "udevadm settle; $run modprobe -rv nbd | grep -qx 'rmmod nbd'"
says 'container: NVIDIA: modprobe -a NAMES --show-depends' 0 '^insmod .*/kernel/.*\.ko $' "$run modprobe -a tun wireguard --show-depends"
check 'container: NVIDIA: chroot ROOT modprobe NAME' "$F $run /sbin/modprobe wireguard; loaded wireguard"
check 'container: falcoctl: lsmod, rmmod, insmod' "$F $run lsmod | cut -d' ' -f1 | grep -qx wireguard; $run rmmod wireguard; unloaded wireguard
$run insmod /lib/modules/$V/kernel/drivers/block/nbd.ko; loaded nbd; udevadm settle; $run rmmod nbd"
check 'container: cilium, tailscale: modprobe NAME that is there' "$run modprobe -v tun"
says 'container: depmod, read-only modules' 1 'Read-only file system' "$run depmod $V"

# What is missing has a sentence of its own.
says 'missing: /lib/modules' 1 'there is no module tree /lib/modules/.*mount the host.s /lib/modules' "chroot $container modprobe nbd"
says 'missing: CAP_SYS_MODULE' 1 'no CAP_SYS_MODULE: .*--cap-add SYS_MODULE' "$in_container setpriv --bounding-set=-sys_module --inh-caps=-sys_module chroot $container modprobe nbd"
says 'missing: root of the host (user namespace)' 1 'user namespace only \(a rootless container\)' \
	"$in_container unshare -U -r chroot $container modprobe nbd"
printf '[Service]\nType=oneshot\nSystemCallFilter=~@module\nSystemCallErrorNumber=EPERM\nExecStart=modprobe nbd\n' >/run/systemd/system/filtered.service
says 'missing: the system call (seccomp)' 0 'a seccomp filter keeps the system call from the kernel' \
	"systemctl start filtered.service; journalctl -b -o cat -u filtered.service"
says 'missing: /bin/sh for an install command' 1 'there is no /bin/sh here to run the command' \
	"mkdir -p $container/etc/modprobe.d; echo 'install nbd logger hello' >$container/etc/modprobe.d/a.conf; $run modprobe nbd; s=\$?; rm $container/etc/modprobe.d/a.conf; exit \$s"
# The examples of README.md, on this system. nbd.ko is the one of another kernel.
echo "examples: begin"
sh /srv/examples.sh
echo "examples: end"
check 'forced: the module of another kernel is there' '[ -d /sys/module/nbd ]; [ "$(cat /sys/module/nbd/taint)" = FE ]; udevadm settle; rmmod nbd'

check 'depmod.d(5): search' "mkdir -p /lib/modules/$V/updates /etc/depmod.d; cp /lib/modules/$V/kernel/drivers/block/nbd.ko /lib/modules/$V/updates/
echo 'search updates/dkms updates built-in' >/etc/depmod.d/example.conf; depmod; modinfo -n nbd | grep -qx /lib/modules/$V/updates/nbd.ko
rm /etc/depmod.d/example.conf /lib/modules/$V/updates/nbd.ko; depmod; modinfo -n nbd | grep -q /kernel/"

says 'refused: sysctl kernel.modules_disabled' 1 'switched off until the next boot' 'echo 1 >/proc/sys/kernel/modules_disabled; modprobe nbd'

echo "guest: done"
sync
reboot -f -f
