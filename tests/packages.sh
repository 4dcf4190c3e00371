#!/bin/sh
# When this is root: installs the Debian packages that the tests (or, with "bench", the benchmarks) use, and
# adds the user hermes-test, as whom some tests run.
set -eu

packages="busybox-static debian-archive-keyring gpg gpgv libcap2-bin attr uidmap zstd xz-utils \
    openssh-client skopeo umoci podman docker-registry apache2-utils openssl buildah runc crun docker.io qemu-user qemu-user-static \
    git mmdebstrap debootstrap dnf rpm createrepo-c python3-pip slirp4netns passt \
    mandoc gcc postgresql libc6-dev seccomp binutils-aarch64-linux-gnu"
if [ "${1:-}" = bench ]; then
    packages="$packages bazel-bootstrap"
fi

missing=
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done

if [ "$(id -u)" != 0 ]; then
    [ -z "$missing" ] || echo "not installed, so some tests are skipped:$missing" >&2
    exit 0
fi
# For the tests that must not be root: somebody with subordinate ids, and somebody without.
id hermes-test >/dev/null 2>&1 || useradd --create-home hermes-test
id hermes-one >/dev/null 2>&1 || useradd --system --user-group --create-home hermes-one
[ -n "$missing" ] || exit 0
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# A package that this release of Debian does not have leaves its tests out.
for package in $missing; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "no package $package" >&2
done
