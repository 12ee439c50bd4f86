#!/bin/sh
# need.sh PROGRAM=PACKAGE...: makes sure that programs the tests use are here. As root on a machine with apt it
# installs the packages of those that are not; otherwise it names them, and the tests that need them skip.
set -eu
export LC_ALL=C
missing='' packages=''
for pair; do
	command -v "${pair%%=*}" >/dev/null && continue
	missing="$missing ${pair%%=*}"
	case "$packages " in *" ${pair#*=} "*) ;; *) packages="$packages ${pair#*=}" ;; esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "not here, so the tests that need them are skipped:$missing (Debian's packages:$packages)" >&2
	[ "${CI-}" != true ]
	exit
fi
export DEBIAN_FRONTEND=noninteractive

# apt ARGS... runs apt-get, and waits up to ten minutes while another apt has what it needs: apt-get itself waits for
# dpkg's lock only, not for those of the package lists and the downloads.
apt() {
	tries=60
	while :; do
		status=0
		said=$(apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 "$@" 2>&1 </dev/null) || status=$?
		case $status$said in
		0*) ;;
		*"Could not get lock"*)
			tries=$((tries - 1))
			if [ $tries -gt 0 ]; then
				[ $tries != 59 ] || echo "waiting for another apt to end" >&2
				sleep "${GOMODPROBE_PAUSE:-10}"
				continue
			fi
			;;
		esac
		[ -z "$said" ] || echo "$said" >&2
		return $status
	done
}

echo "installing for the tests, with what they depend on:$packages" >&2
# An archive that is not Debian's may be out of reach; whether what is needed can be had is seen below.
apt update || :
# shellcheck disable=SC2086 # a list of packages
apt install -y --no-install-recommends $packages || {
	echo "cannot install$packages: no network?" >&2
	exit 1
}
