#!/usr/bin/env bash
# Makes a minimal Debian in a folder: debian.sh SUITE FOLDER [PACKAGE...]. Needs debootstrap, as root.
# Where pip is told of a certificate by PIP_CERT, the new machine has it as /etc/pip-cert.pem.
set -euo pipefail
suite=$1 folder=$2
shift 2
packages=$(IFS=,; echo "$*")
debootstrap --variant=minbase ${packages:+--include="$packages"} "$suite" "$folder" >&2
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
if [ -n "${PIP_CERT:-}" ]; then
  install -D -m 644 "$PIP_CERT" "$folder/etc/pip-cert.pem"
fi
