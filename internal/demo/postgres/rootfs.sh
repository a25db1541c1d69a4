#!/usr/bin/env bash
# Makes the root file system of a minimal Debian from the distribution's packages, as a tar file.
#
#   rootfs.sh SUITE WORKDIR
#
# It leaves WORKDIR/root.tar; the caller removes WORKDIR.
#
# The mirror is the one that this machine's apt uses for Debian (else deb.debian.org); so are its proxy and, for an https
# mirror, its certificate authorities. Exit status 3: something must be installed or allowed first; standard error says what.
set -euo pipefail

suite="$1"
work="$2"

need() {
  printf '%s\n' "$*" >&2
  exit 3
}

export PATH="$PATH:/usr/sbin:/sbin"
command -v debootstrap >/dev/null || need "debootstrap is not installed: apt-get install debootstrap (or make the image available: docker pull postgres)"
[ "$(id -u)" = 0 ] || need "debootstrap needs root: run this once as root (or make the image available: docker pull postgres)"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || need "Debian's signing keys are not installed: apt-get install debian-archive-keyring"

# apt_setting prints one value of this machine's apt configuration, nothing where apt or the value is missing.
apt_setting() {
  local value=
  command -v apt-config >/dev/null && eval "$(apt-config shell value "$1")"
  printf '%s' "$value"
}

debian_mirror() {
  command -v apt-get >/dev/null || return 0
  # shellcheck disable=SC2016 # apt expands these
  apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" && $2 == "Debian" && $3 ~ /^https?:/ { print $3; exit }'
}

# first_source is the first http(s) address of a Debian mirror in the sources files, for a machine that never ran apt-get update.
first_source() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n 's#^\(deb\|URIs:\) .*\?\(https\?://[^ ]*/debian\)/\?\( .*\)\?$#\2#p' | head -n 1
}

mirror="$(debian_mirror)"
mirror="${mirror:-$(first_source)}"
mirror="${mirror:-http://deb.debian.org/debian}"
mirror="${mirror%/}"

for scheme in http https; do
  proxy="$(apt_setting "Acquire::$scheme::Proxy")"
  if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export "${scheme}_proxy=$proxy"; fi
done

root="$work/root"

# A suite that is still moving may be served by a mirror that lags behind the date in its index.
apt_options=()
[ "$suite" = sid ] && apt_options+=('Acquire::Check-Valid-Until "false";')
# In a mount namespace of its own, so that nothing stays mounted below WORKDIR when this is killed.
if ! unshare --mount debootstrap --variant=minbase --keyring="$keyring" --include=ca-certificates "$suite" "$root" "$mirror" >"$work/log" 2>&1; then
  tail -n 5 "$work/log" >&2
  [ -r "$root/debootstrap/debootstrap.log" ] && tail -n 5 "$root/debootstrap/debootstrap.log" >&2
  exit 1
fi

printf 'deb %s %s main\n' "$mirror" "$suite" >"$root/etc/apt/sources.list"
printf '%s\n' 'APT::Install-Recommends "false";' 'Acquire::Languages "none";' "${apt_options[@]}" >"$root/etc/apt/apt.conf.d/90minimal"
printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/minimal"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
if [[ $mirror == https://* && -r /etc/ssl/certs/ca-certificates.crt ]]; then
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
tar -C "$root" --numeric-owner --one-file-system -cf "$work/root.tar" .
rm -rf "$root"
