# buildah: that of Debian 12 keeps the owners of members, as BuildKit did before 0.23
# buildkit: that of Debian 12 keeps the owners of members
FROM base
ADD --chown=7:8 files.tar.gz /unpacked/
