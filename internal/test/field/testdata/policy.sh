#!/bin/sh
# shellcheck disable=SC2016 # the scripts in quotes are for another shell
# Runs twice in a Debian guest whose modprobe is ours, started by systemd: first without a policy, to write one down from
# what was used, then under it. Every check prints "ok NAME" or "not ok NAME" and why.
exec >/dev/ttyS1 2>&1
export LC_ALL=C.UTF-8
policy=/etc/modprobe.d/allow.conf

check() { # NAME SCRIPT
	if out=$(sh -ec "$2" 2>&1); then
		echo "ok $1"
	else
		echo "not ok $1 | $out"
	fi
}

# What the machine is for.
use() {
	check "$1: systemd is up" '[ "$(systemctl is-active multi-user.target)" = active ]; [ -z "$(systemctl --failed --no-legend)" ]'
	check "$1: network" 'for i in $(seq 60); do
		grep -q 10.0.2.15 /proc/net/fib_trie && exit 0; sleep 1 # what DHCP gives
	done; cat /proc/net/dev; exit 1'
	check "$1: disk" 'findmnt -n -o SOURCE,FSTYPE / | grep -q "/dev/vda *ext4"; echo written >/srv/written; sync'
	check "$1: iptables" 'iptables-legacy -A INPUT -p tcp --dport 25 -j DROP; iptables-legacy -S INPUT | grep -q "dport 25 -j DROP"
		iptables-nft -A INPUT -p tcp --dport 26 -j DROP; iptables-nft -S INPUT | grep -q "dport 26 -j DROP"'
	check "$1: loop mount" 'truncate -s 8M /srv/image; mke2fs -q -t ext4 -F /srv/image; mount -o loop /srv/image /mnt; umount /mnt'
	check "$1: USB stick" 'for i in $(seq 60); do [ -e /dev/sda ] && break; sleep 1; done
		mount -t vfat /dev/sda /mnt; date >/mnt/file; umount /mnt
		mount -t vfat /dev/sda /mnt; grep -q 20 /mnt/file; umount /mnt'
}

# asks NAME AS MODULE SCRIPT: the script, of an unprivileged user, makes the kernel ask for AS; MODULE is refused, and the
# kernel's log names the line.
asks() {
	setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$4" >/dev/null 2>&1
	if [ -d "/sys/module/$3" ]; then
		echo "not ok refused: $1 | $3 is loaded"
	elif dmesg | grep -q "modprobe: \"$3\" not loaded for \"$2\" (.*): forbidden by $policy:3 (not in the list"; then
		echo "ok refused: $1"
	else
		echo "not ok refused: $1 | $(dmesg | grep 'not loaded for')"
	fi
}

check 'modprobe is ours, and the kernel starts it' 'modprobe -V | grep -q gomodprobe; grep -qx /sbin/modprobe /proc/sys/kernel/modprobe'
if [ ! -e $policy ]; then
	use 'without a policy'
	check 'write the list' "modprobe --allowlist >/srv/allow.conf && modprobe --audit /srv/allow.conf && mv /srv/allow.conf $policy; sync"
	echo "list: $(grep -c ' allow ' $policy) lines, $(find "/lib/modules/$(uname -r)" -name '*.ko*' | wc -l) modules"
else
	use 'with the list'
	asks 'an AF_ALG socket' net-pf-38 af_alg 'perl -e "socket(S,38,5,0)"'
	asks 'a CAN socket' net-pf-29 can 'perl -e "socket(S,29,3,1)"'
	asks 'an SCTP socket' net-pf-2-proto-132 sctp 'perl -e "socket(S,2,1,132)"'
	asks 'an XFS mount' fs-xfs xfs 'unshare -U -r -m mount -t xfs none /mnt'
	check 'refused: algif_aead by its alias' '! modprobe -q -- algif-aead; [ ! -d /sys/module/algif_aead ]'
	check 'audit' '! modprobe --audit >/tmp/audit; for m in af_alg can sctp xfs algif_aead; do grep "^refused .*: $m is forbidden by" /tmp/audit; done
		[ "$(grep -c "would be refused" /tmp/audit)" = 0 ]'
	echo "refused: $(modprobe --audit | wc -l) kinds, loaded: $(wc -l </proc/modules)"
fi
echo "guest: done"
exec >/dev/null 2>&1
sync
reboot -f -f
