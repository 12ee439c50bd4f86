#!/bin/sh
# Installs what make build has made, or removes it again: install.sh install|uninstall BIN PREFIX DESTDIR LINKS.
# All names begin with "go", beside kmod's; with LINKS=1 there are the usual names as well.
set -eu

bin=$2
prefix=$3
links=$5
to=$4$3
share=$to/share
bash=$share/bash-completion/completions
zsh=$share/zsh/site-functions
fish=$share/fish/vendor_completions.d

# What administrators call is in sbin, what everybody may call in bin, as with kmod.
sbin_tools="modprobe depmod modinfo insmod rmmod"
bin_tools="lsmod kmod"

fail() {
	echo "install: $*" >&2
	exit 1
}

# ours reports whether a link leads to our program.
ours() { [ "$(basename "$(readlink "$1" 2>/dev/null)" 2>/dev/null)" = gomodprobe ]; }

# links_of prints "FOLDER NAME" for each link to the program; "go" or nothing stands before the tools' names.
links_of() {
	for tool in $sbin_tools; do echo "sbin $1$tool"; done
	for tool in $bin_tools; do echo "bin $1$tool"; done
}

# pages prints our manual pages; those of kmod's tools get a go in front.
pages() {
	for page in docs/man/*.[58]; do
		name=$(basename "$page")
		echo "$page $share/man/man${name##*.}/go${name#go}"
	done
}

# hooks prints the files of our hooks for boot images, below initramfs/hooks.
hooks() { (cd initramfs/hooks && find . -type f | sed 's,^\./,,'); }

link() {
	if [ -e "$to/$1/$2" ] && ! ours "$to/$1/$2"; then
		fail "$to/$1/$2 is there and is not ours; nothing was put in its place. On Debian, make deb makes a package with a switch for that"
	fi
	if [ "$1" = sbin ]; then ln -sfn gomodprobe "$to/$1/$2"; else ln -sfn ../sbin/gomodprobe "$to/$1/$2"; fi
	ln -sfn gomodprobe "$bash/$2"
	ln -sfn gomodprobe.fish "$fish/$2.fish"
}

install_all() {
	echo "installing below $to"
	install -d "$to/sbin" "$to/bin" "$to/libexec" "$share/man/man5" "$share/man/man8" "$bash" "$fish" "$zsh"
	install -m 755 "$bin/gomodprobe" "$to/sbin/gomodprobe"
	install -m 755 "$bin/gomodprobe-boot" "$to/libexec/gomodprobe-boot"
	pages | while read -r from page; do install -m 644 "$from" "$page"; done
	install -m 644 docs/completions/gomodprobe.bash "$bash/gomodprobe"
	install -m 644 docs/completions/gomodprobe.fish "$fish/gomodprobe.fish"
	install -m 644 docs/completions/_gomodprobe "$zsh/_gomodprobe"
	hooks | while read -r file; do
		mode=644
		[ ! -x "initramfs/hooks/$file" ] || mode=755
		install -D -m "$mode" "initramfs/hooks/$file" "$share/gomodprobe/hooks/$file"
	done
	links_of go | while read -r dir name; do
		[ "$name" = gomodprobe ] || link "$dir" "$name"
	done
	link sbin goinitramfs
	if [ "$links" != 1 ]; then
		echo "as gomodprobe, godepmod, gomodinfo and so on; LINKS=1 adds the usual names"
		return
	fi
	links_of "" | while read -r dir name; do
		old=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v "$name") || old=
		link "$dir" "$name"
		[ -z "$old" ] || [ "$old" = "$prefix/$dir/$name" ] ||
			echo "$prefix/$dir/$name is used instead of $old by who has $prefix/$dir first in PATH; the kernel still starts $(cat /proc/sys/kernel/modprobe 2>/dev/null || echo /sbin/modprobe)"
	done
	pages | while read -r _ page; do
		plain=$(dirname "$page")/$(basename "$page" | sed 's/^go//')
		[ "$(basename "$page")" = goinitramfs.8 ] || ln -sfn "$(basename "$page")" "$plain"
	done
}

uninstall_all() {
	echo "removing what was installed below $to"
	for before in go ""; do
		links_of "$before" | while read -r dir name; do
			[ "$name" = gomodprobe ] || ! ours "$to/$dir/$name" || rm -f "$to/$dir/$name"
			[ "$name" = gomodprobe ] || [ "$(readlink "$bash/$name")" != gomodprobe ] || rm -f "$bash/$name"
			[ "$name" = gomodprobe ] || [ "$(readlink "$fish/$name.fish")" != gomodprobe.fish ] || rm -f "$fish/$name.fish"
		done
	done
	rm -f "$to/sbin/goinitramfs" "$bash/goinitramfs" "$fish/goinitramfs.fish"
	pages | while read -r _ page; do
		plain=$(dirname "$page")/$(basename "$page" | sed 's/^go//')
		[ "$(readlink "$plain")" != "$(basename "$page")" ] || rm -f "$plain"
		rm -f "$page"
	done
	hooks | while read -r file; do
		rm -f "$share/gomodprobe/hooks/$file"
	done
	if [ -d "$share/gomodprobe" ]; then find "$share/gomodprobe" -type d -empty -delete; fi
	rm -f "$to/sbin/gomodprobe" "$to/libexec/gomodprobe-boot" "$bash/gomodprobe" "$fish/gomodprobe.fish" "$zsh/_gomodprobe"
}

case $1 in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "what is $1?" ;;
esac
