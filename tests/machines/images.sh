#!/usr/bin/env bash
# Builds the images idxpipe and idxpipe-tpu of this checkout, tagged with its image-tag: with docker
# where its engine answers, else with buildah, which needs none but root.
#
#   BASE=debian      takes Debian 12 with its Python 3.11, from debootstrap, in place of the base that
#                    the Dockerfiles name: for a machine that reaches package indexes but no registry
#   images.sh FLAGS  hands further flags to the builder, such as --build-arg RUN_AS=0
#
# buildah's steps get the index and certificate that pip has here from PIP_* variables; none of it
# remains in an image.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${TAG:-$("${PYTHON:-.venv/bin/python}" -m idxpipe image-tag)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

local_base() {
  local made
  tests/machines/debian.sh bookworm "$work/root" python3-venv ca-certificates
  # What the base of the Dockerfiles has in /usr/local: python, pip, setuptools and wheel.
  chroot "$work/root" python3 -m venv /usr/local
  # pip prefers REQUESTS_CA_BUNDLE to a certificate of its own.
  env -u REQUESTS_CA_BUNDLE -u CURL_CA_BUNDLE ${PIP_CERT:+PIP_CERT=/etc/pip-cert.pem} \
    chroot "$work/root" /usr/local/bin/pip install --quiet setuptools==79.0.1 wheel==0.45.1
  rm -f "$work/root/etc/pip-cert.pem"
  made=$(buildah --storage-driver vfs from scratch)
  buildah --storage-driver vfs add --quiet "$made" "$work/root" / >&2
  buildah --storage-driver vfs config \
    --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$made"
  buildah --storage-driver vfs commit --quiet --rm "$made" localhost/idxpipe-base >&2
  rm -rf "$work/root"
}

pip_settings() {
  echo '[global]'
  env | sed -nE 's/^PIP_((CERT|DEFAULT_TIMEOUT|EXTRA_INDEX_URL|INDEX_URL|TRUSTED_HOST)=)/\1/p' | while IFS='=' read -r name value; do
    name=${name,,}
    echo "${name//_/-} = $value"
  done
}

flags=("$@")
if docker info >/dev/null 2>&1; then
  builder=(docker build)
else
  builder=(buildah --storage-driver vfs build --isolation chroot)
  pip_settings >"$work/pip.conf"
  flags+=(--volume "$work/pip.conf:/etc/pip.conf:ro")
  if [ -n "${PIP_CERT:-}" ]; then
    flags+=(--volume "$PIP_CERT:$PIP_CERT:ro")
  fi
  if [ "${BASE:-}" = debian ]; then
    local_base
    flags+=(--from localhost/idxpipe-base)
  fi
fi

for file in Dockerfile Dockerfile.tpu; do
  name=idxpipe${file#Dockerfile}
  "${builder[@]}" "${flags[@]}" --file "$file" --tag "${name/./-}:$tag" .
  echo "${name/./-}:$tag"
done
