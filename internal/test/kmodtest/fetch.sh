#!/bin/sh
# Fetches what the tests compare with and run on: Debian's kmod (the oracle) and Debian's kernels (the corpus).
# Nothing is installed: packages are downloaded with apt-get from the mirror this machine already uses, through
# private source lists, and unpacked below the cache folder. A second run fetches nothing.
#
#   fetch.sh oracle              kmod of Debian 13, with its own loader and libraries
#   fetch.sh oracle30            kmod of Debian 12, likewise
#   fetch.sh kernel KEY          KEY = SERIES[-bpo][-prev][-cloud|-rt][:ARCH], e.g. 6.1  6.1-prev  6.12-cloud  6.1:s390x  uml
#                                or a build that the security archive still has: 6.1.0-53  6.12.116
#   fetch.sh tree KEY EXT        the modules of that kernel as .ko.EXT (xz, zst or gz; none: not compressed)
#   fetch.sh headers KEY         the linux-headers package of that kernel (for Module.symvers)
#   fetch.sh kbuild KEY          all that modules for that kernel are built with, but for the compiler
#   fetch.sh package SUITE[:ARCH] NAME   any package, unpacked
#   fetch.sh udev                udev of Debian 12 with all libraries, below root/
#
# Prints the folder, whose content is
#   oracle*:  root/ (the packages, unpacked), run (a script: run ARGV0 ARGS... runs kmod under that name)
#   tree:     lib/modules/RELEASE with the oracle's tables (gz: without, as the oracle cannot read gz)
#   kbuild:   linux-headers-RELEASE below root and usr/src, for make -C
#   kernel:   boot/vmlinuz boot/config lib/modules/RELEASE release  (tables made by the oracle's depmod)
# With -cached in front, only what is in the cache is given; nothing is fetched or made.
#
# Exit status 3: apt or the network is missing, so that a test can skip. 4: -cached, and it is not in the cache.
# GOMODPROBE_RUN names a run of tests. A failure to reach the archive is remembered for that run, ten minutes at
# most, so that not each of its tests tries, and waits, again.
set -eu
umask 022
export LC_ALL=C

cache=${GOMODPROBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gomodprobe}
apt_config=${APT_CONFIG-} # of the caller: a proxy, for instance
failed=${GOMODPROBE_RUN:+$cache/failed/$GOMODPROBE_RUN}
pause=${GOMODPROBE_PAUSE:-5} # seconds before what needs the network is tried again; tests of this file set it to 0

say() { echo "fetch: $*" >&2; }
cannot() { say "$*"; exit 3; }

# again COMMAND... runs what needs the network, up to three times.
again() {
	"$@" && return
	sleep "$pause"
	"$@" && return
	sleep $((3 * pause))
	"$@"
}

# uncached ends the run where only what is in the cache may be given.
uncached() { [ -z "$cached" ] || { say "$request is not in the cache"; exit 4; }; }

# online ends the run where nothing may be fetched, or where that failed already: for what is wanted, or for all.
online() {
	uncached
	[ -n "$failed" ] || return 0
	for f in "$failed" "$failed.$wanted"; do
		[ -s "$f" ] || continue
		say "not tried again in this run"
		cannot "$(cat "$f")"
	done
}

# remember FILE MESSAGE does as cannot, and keeps the message for the other fetches of GOMODPROBE_RUN.
remember() {
	[ -z "$failed" ] || { mkdir -p "$cache/failed"; echo "$2" >"$1"; }
	cannot "$2"
}

unreachable() { remember "$failed" "$*: no network?"; }
lacking() { remember "$failed.$wanted" "$*"; }

# mirror prints the base address of the Debian archive this machine is configured for, and keeps it for others.
mirror() {
	command -v apt-get >/dev/null || cannot "apt-get is not here"
	uri=$(apt-get update --print-uris 2>/dev/null |
		sed -nE "s,^'(.*/debian)/+dists/([^/']+)/InRelease'.*,\\1 \\2,p" |
		awk '$2 !~ /-(security|updates|backports)/ { print $1; exit }')
	[ -n "$uri" ] || cannot "no Debian archive is configured for apt on this machine"
	mkdir -p "$cache/apt"
	echo "$uri" >"$cache/apt/mirror"
	echo "$uri"
}

# listed DIR says whether the package lists there are whole and of the last hour. That the file "updated" is there is
# not enough: once it was made when apt-get update had fetched nothing.
listed() {
	[ -s "$1/sources.list" ] && [ -n "$(find "$1/updated" -mmin -60 2>/dev/null)" ] &&
		[ -n "$(find "$1/lists" -maxdepth 1 -name '*_Packages*' -size +0 2>/dev/null)" ]
}

# suite SUITE ARCH sets up private package lists and points APT_CONFIG at them; 'suite SUITE ARCH again' renews them.
# Lists past their date are taken: a mirror may stand still, and what is fetched is never installed. An update that
# fetched not all is an error, which it is not if apt is not told so.
suite() {
	d=$cache/apt/$1-$2
	renew=${3-}
	listed "$d" || renew=again
	if [ "$renew" = again ]; then
		online
		uri=$(APT_CONFIG=$apt_config mirror)
		case $1 in *-security) uri=${uri%/debian}/debian-security ;; esac
		mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
		rm -f "$d/updated"
		echo "deb $uri $1 main" >"$d/sources.list"
	fi
	cat >"$d/apt.conf" <<-CONF
		${apt_config:+#include "$apt_config";}
		Dir::Etc::SourceList "$d/sources.list";
		Dir::Etc::SourceParts "-";
		Dir::State::Lists "$d/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$d/cache";
		APT::Architecture "$2";
		APT::Architectures { "$2"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		APT::Update::Error-Mode "any";
		Acquire::Retries "2";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
		Acquire::Check-Valid-Until "false";
	CONF
	export APT_CONFIG="$d/apt.conf"
	if [ "$renew" = again ]; then
		say "package lists of $1 ($2)"
		again apt-get -qq update >&2 || unreachable "the package lists of $1 ($2) cannot be fetched"
		touch "$d/updated"
		listed "$d" || unreachable "apt-get update fetched no package lists of $1 ($2)"
	fi
}

# unpack DIR SUITE ARCH PACKAGE... downloads and unpacks packages below DIR.
unpack() {
	to=$1 s=$2 a=$3
	shift 3
	suite "$s" "$a"
	online
	debs=$(mktemp -d "$cache/debs.XXXXXX")
	for p; do say "$p ($s, $a)"; done
	(cd "$debs" && apt-get -qq download "$@" >&2) || {
		suite "$s" "$a" again # the archive has moved on since the lists were read
		(cd "$debs" && again apt-get -qq download "$@" >&2) || lacking "cannot download $* of $s ($a)"
	}
	mkdir -p "$to"
	for f in "$debs"/*.deb; do dpkg-deb -x "$f" "$to"; done
	rm -rf "$debs"
}

# newest REGEXP SUITE ARCH NTH prints the NTH newest package name that matches.
newest() {
	suite "$2" "$3"
	apt-cache pkgnames linux- | grep -E "^($1)\$" | sort -Vr | sed -n "$4p"
}

oracle() { # NAME SUITE SSL-PACKAGE
	dir=$cache/$1
	[ -e "$dir/done" ] && { echo "$dir"; return; }
	online
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack "$tmp/root" "$2" amd64 kmod libkmod2 libc6 liblzma5 libzstd1 "$3" zlib1g
	cat >"$tmp/run" <<-'RUN'
		#!/bin/sh
		# run ARGV0 ARGS...: kmod under the name ARGV0, on its own loader and libraries
		r=$(dirname "$0")/root
		name=$1
		shift
		l=$r/usr/lib/x86_64-linux-gnu
		[ -e "$r/lib/x86_64-linux-gnu" ] && l=$l:$r/lib/x86_64-linux-gnu
		ld=$r/usr/lib64/ld-linux-x86-64.so.2
		[ -e "$ld" ] || ld=$r/lib64/ld-linux-x86-64.so.2
		[ -e "$ld" ] || ld=$r/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
		[ -e "$ld" ] || ld=$r/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
		k=$r/usr/bin/kmod
		[ -e "$k" ] || k=$r/bin/kmod
		exec "$ld" --argv0 "$name" --library-path "$l" "$k" "$@"
	RUN
	chmod 755 "$tmp/run" "$tmp"
	"$tmp/run" modprobe -V >"$tmp/done"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

# names KEY sets series, prev, cloud, arch, suite_, image and extra for a kernel's key.
names() {
	key=$1
	arch=amd64
	case $key in *:*) arch=${key#*:} key=${key%%:*} ;; esac
	nth=1 kind='' backports=''
	case $key in
	*-cloud) kind=cloud- key=${key%-cloud} ;;
	*-rt) kind=rt- key=${key%-rt} ;;
	esac
	case $key in *-prev) nth=2 key=${key%-prev} ;; esac
	case $key in *-bpo) backports=yes key=${key%-bpo} ;; esac
	series=$key
	flavour=$kind$arch
	case $arch in
	armhf) flavour=armmp ;;
	i386) flavour=686 ;;
	ppc64el) flavour=powerpc64le ;;
	mips64el) flavour=5kc-malta ;;
	esac
	re=$(echo "$series" | sed 's/\./\\./g')
	if [ "$series" = uml ]; then # Linux as a program
		suite_=bookworm image=user-mode-linux release='' extra=''
		return
	fi
	case $series in
	5.10) suite_=bullseye re="linux-image-$re\\.0-[0-9]+-$flavour" ;;
	6.1) suite_=bookworm re="linux-image-$re\\.0-[0-9]+-$flavour" ;;
	6.1.0-*) suite_=bookworm-security re="linux-image-$re-$flavour" ;;
	6.12.*) suite_=trixie-security re="linux-image-$re\\+deb13-$flavour" ;;
	6.12) suite_=trixie re="linux-image-$re\\.[0-9]+\\+deb13-$flavour" ;;
	*) suite_=sid re="linux-binary-[0-9]+\\.[0-9.]+\\+deb[0-9]+-$flavour" ;;
	esac
	if [ -n "$backports" ]; then # of the stable release before the one that has this series
		suite_=bookworm-backports re="linux-image-$series\\.[0-9]+\\+deb12-$flavour"
	fi
	image=$(newest "$re" "$suite_" "$arch" "$nth")
	[ -n "$image" ] || cannot "no kernel $1 in $suite_ ($arch)"
	extra=
	release=${image#linux-image-}
	case $image in linux-binary-*)
		release=${image#linux-binary-}
		extra="linux-modules-$release linux-base-$release"
		;;
	esac
}

kernel() {
	dir=$cache/kernels/$(echo "$1" | tr : @)
	[ -e "$dir/release" ] && { echo "$dir"; return; }
	online
	kmod=$(oracle oracle trixie libssl3t64)
	names "$1"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	# shellcheck disable=SC2086 # extra is a list of packages
	unpack "$tmp/root" $suite_ $arch "$image" $extra
	mkdir -p "$tmp/boot" "$tmp/lib/modules"
	r=$tmp/root
	for m in "$r"/lib/modules/* "$r"/usr/lib/modules/* "$r"/usr/lib/uml/modules/*; do
		[ -d "$m" ] && mv "$m" "$tmp/lib/modules/"
	done
	for f in "$r"/boot/vmlinu[xz]-* "$r"/usr/lib/modules/*/vmlinuz "$tmp"/lib/modules/*/vmlinuz "$r"/usr/bin/linux.uml; do
		[ -f "$f" ] && { cp "$f" "$tmp/boot/vmlinuz"; break; }
	done
	for f in "$r"/boot/config-* "$tmp"/lib/modules/*/config; do
		[ -f "$f" ] && { cp "$f" "$tmp/boot/config"; break; }
	done
	[ -s "$tmp/boot/vmlinuz" ] || cannot "no boot image in $image"
	rm -rf "$r"
	chmod 755 "$tmp"
	[ -n "$release" ] || release=$(ls "$tmp/lib/modules")
	"$kmod/run" depmod -b "$tmp" "$release"
	echo "$release" >"$tmp/release"
	mkdir -p "$cache/kernels"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

tree() { # KEY EXT
	dir=$cache/trees/$(echo "$1" | tr : @)-$2
	[ -e "$dir/release" ] && { echo "$dir"; return; }
	uncached
	case $2 in
	none) tool=true ;;
	xz) tool='xz --check=crc32 --lzma2=dict=1MiB' ;; # as the kernel's build compresses modules
	zst) tool='zstd -q --rm' ;;
	gz) tool='gzip -n' ;;
	*) cannot "unknown compression $2" ;;
	esac
	for c in xz "${tool%% *}"; do
		command -v "$c" >/dev/null || cannot "$c is not here"
	done
	src=$(kernel "$1")
	[ "$2" = gz ] || kmod=$(oracle oracle trixie libssl3t64)
	release=$(cat "$src/release")
	say "modules of $release, compressed with $2"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	m=$tmp/lib/modules/$release
	mkdir -p "$m"
	for f in kernel modules.order modules.builtin modules.builtin.modinfo; do
		cp -r "$src/lib/modules/$release/$f" "$m/"
	done
	find "$m" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 -P 2 xz -d
	# shellcheck disable=SC2086 # tool is a command with its options
	find "$m" -name '*.ko' -print0 | xargs -0 -r -n 64 -P 2 $tool
	chmod 755 "$tmp"
	[ "$2" = gz ] || "$kmod/run" depmod -b "$tmp" "$release"
	echo "$release" >"$tmp/release"
	mkdir -p "$cache/trees"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

headers() {
	dir=$cache/headers/$(echo "$1" | tr : @)
	[ -e "$dir/done" ] && { echo "$dir"; return; }
	online
	src=$(kernel "$1")
	release=$(cat "$src/release")
	names "$1"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack "$tmp/root" "$suite_" "$arch" "linux-headers-$release"
	touch "$tmp/done"
	chmod 755 "$tmp"
	mkdir -p "$cache/headers"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

kbuild() {
	dir=$cache/kbuild/$1
	[ -e "$dir/done" ] && { echo "$dir"; return; }
	online
	src=$(kernel "$1")
	headers=linux-headers-$(cat "$src/release")
	names "$1"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	suite "$suite_" "$arch"
	parts=$(apt-cache depends "$headers" | sed -nE 's/^ *Depends: (linux-(headers|kbuild)-.*)/\1/p')
	# shellcheck disable=SC2086 # parts is a list of packages
	unpack "$tmp/root" "$suite_" "$arch" "$headers" $parts
	src=usr/src
	sed -i "s,/$src/,$dir/root&," "$tmp/root/$src/$headers/Makefile"
	# Those that are for a newer C library than this machine's get their own.
	new=$(find "$tmp/root" -path '*/linux-kbuild*' -type f -perm -1 | while read -r f; do
		! ldd "$f" 2>&1 | grep -q "GLIBC_.*not found" || echo "$f"
	done)
	[ -z "$new" ] || unpack "$tmp/libs" "$suite_" "$arch" libc6 libelf1t64 zlib1g libzstd1 libssl3t64
	libs=$dir/libs/usr/lib/x86_64-linux-gnu
	for f in $new; do
		mv "$f" "$f.bin"
		echo "exec $libs/ld-linux-x86-64.so.2 --library-path $libs $dir/${f#"$tmp/"}.bin \"\$@\"" >"$f"
		sed -i '1i #!/bin/sh' "$f"
		chmod 755 "$f"
	done
	touch "$tmp/done"
	chmod 755 "$tmp"
	mkdir -p "$cache/kbuild"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

package() { # SUITE[:ARCH] NAME
	dir=$cache/packages/$(echo "$1" | tr : @)/$2
	[ -e "$dir/done" ] && { echo "$dir"; return; }
	online
	a=amd64
	case $1 in *:*) a=${1#*:} ;; esac
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack "$tmp/root" "${1%%:*}" "$a" "$2"
	touch "$tmp/done"
	chmod 755 "$tmp"
	mkdir -p "$(dirname "$dir")"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

udev() {
	dir=$cache/udev
	[ -e "$dir/done" ] && { echo "$dir"; return; }
	online
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack "$tmp/root" bookworm amd64 udev libudev1 libkmod2 libc6 libacl1 libblkid1 libcap2 libselinux1 libpcre2-8-0 \
		liblzma5 libzstd1 libssl3
	touch "$tmp/done"
	chmod 755 "$tmp"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	echo "$dir"
}

cached=
[ "${1-}" != -cached ] || { cached=yes; shift; }
request=$*
wanted=$(echo "$request" | tr -c 'A-Za-z0-9.\n-' _)
if [ -z "$cached" ]; then
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	# Who has the lock may clean up, also what one that was killed has left.
	trap 'rm -rf "$cache"/tmp.* "$cache"/debs.*' EXIT
	rm -rf "$cache"/tmp.* "$cache"/debs.*
	find "$cache/failed" -type f -mmin +10 -delete 2>/dev/null || :
fi
case ${1-} in
oracle) oracle oracle trixie libssl3t64 ;;
oracle30) oracle oracle30 bookworm libssl3 ;;
kernel) kernel "$2" ;;
tree) tree "$2" "$3" ;;
headers) headers "$2" ;;
kbuild) kbuild "$2" ;;
package) package "$2" "$3" ;;
udev) udev ;;
*)
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0" >&2
	exit 2
	;;
esac
