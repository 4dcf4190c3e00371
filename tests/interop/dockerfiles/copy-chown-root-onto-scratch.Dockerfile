# buildah: that of Debian 12 knows no root without a file of users
FROM scratch
COPY --chown=root:root a.txt /
COPY --chown=5:root a.txt /b
USER root
WORKDIR /w
