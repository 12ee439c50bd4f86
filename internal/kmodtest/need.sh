#!/bin/sh
# need.sh PROGRAM=PACKAGE...: makes sure that programs the tests use are here. As root on a machine with apt it
# installs the packages of those that are not; otherwise it names them, and the tests that need them skip.
set -eu
missing='' packages=''
for pair; do
	command -v "${pair%%=*}" >/dev/null && continue
	missing="$missing ${pair%%=*}"
	packages="$packages ${pair#*=}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "not here, so the tests that need them are skipped:$missing (Debian's packages:$packages)" >&2
	[ "${CI-}" != true ]
	exit
fi
echo "installing for the tests:$packages" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=5 update >&2
# shellcheck disable=SC2086 # a list of packages
apt-get -qq -o Acquire::Retries=5 install -y --no-install-recommends $packages </dev/null >&2
