#!/usr/bin/env bash
# README's commands on machines that have nothing: a minimal Debian of each SUITE, the packages that
# README names, a user that is not root and has no files, a clone of HEAD. Needs debootstrap, as root.
#
#   fresh.sh [SUITE...]       by default bookworm and trixie, Debian 12 and 13
#   THEN='make check'         what runs after README's
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install=$(grep -om1 'apt-get install [a-z0-9 -]*' README.md)
accuracy=$(grep -om1 'test accuracy  *[0-9.]*' README.md | grep -o '[0-9.]*$')
git bundle create --quiet "$work/idxpipe.bundle" HEAD

# The processes of the machine, and what is mounted for them, end with the shell.
inside() {
  unshare --mount --pid --fork bash -ec '
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/dev/shm"
    exec chroot "${@:2:1}" "$1" "${@:3}"' - "$root" "$@"
}

settings=(PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8)
settings+=(${PIP_CERT:+PIP_CERT=/etc/pip-cert.pem})
for name in PIP_INDEX_URL PIP_DEFAULT_TIMEOUT; do
  if [ -n "${!name:-}" ]; then settings+=("$name=${!name}"); fi
done

for suite in ${*:-bookworm trixie}; do
  root=$work/$suite
  tests/machines/debian.sh "$suite" "$root" >&2
  inside --userspec=0:0 /usr/bin/env -i "${settings[@]}" DEBIAN_FRONTEND=noninteractive \
    sh -ec "apt-get update --quiet && ${install/install/install --yes --quiet} && useradd --create-home user" >&2
  mv "$work/idxpipe.bundle" "$root/home/"
  inside --userspec=user:user /usr/bin/env -i "${settings[@]}" HOME=/home/user sh -ec "
    cd && git clone --quiet -c advice.detachedHead=false /home/idxpipe.bundle idxpipe && cd idxpipe && . /etc/os-release
    echo \"\$PRETTY_NAME, \$(python3 --version)\"
    make run && . .venv/bin/activate && idxpipe show >/dev/null && ${THEN:-true}" | tee "$work/log"
  mv "$root/home/idxpipe.bundle" "$work/"
  # Another processor rounds otherwise: ten of the 10,000 digits may come out differently.
  found=$(grep -om1 'test accuracy  *[0-9.]*' "$work/log" | grep -o '[0-9.]*$')
  echo "$suite: test accuracy $found, README says $accuracy"
  awk -v a="$found" -v b="$accuracy" 'BEGIN { exit !((a - b) ^ 2 <= 0.001 ^ 2 + 1e-9) }'
  rm -rf "$root"
done
