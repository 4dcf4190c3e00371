# buildah: that of Debian 12 wants a target
FROM base
WORKDIR /w
RUN --mount=type=bind cp a.txt /copied && ls > /listed
RUN --mount=source=sub cat c.txt > /cat
