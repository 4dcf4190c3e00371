# buildah: it keeps the owners in the archive
FROM base
ADD --chown=7:8 files.tar.gz /unpacked/
