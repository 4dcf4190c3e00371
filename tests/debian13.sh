#!/bin/sh
# Makes a root of Debian 13 for yardsticks that Debian 12 does not have: docker with compose and buildx, and a newer buildah.
# Takes root, mmdebstrap and a minute. See tests/newer.py.
set -eu

root="${HERMES_TEST_DEBIAN13:-$HOME/.cache/hermes-test/debian-13}"
[ ! -e "$root" ] || { echo "$root is there"; exit 0; }
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)"
mkdir -p "$(dirname "$root")"
mmdebstrap --quiet --variant=apt --aptopt='APT::Install-Recommends "false"' \
    --include=docker.io,docker-cli,docker-compose,docker-buildx,buildah,ca-certificates,git \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    trixie "$root.part" "deb $mirror trixie main"
mv "$root.part" "$root"
