# buildah: it takes the setuid bit away
FROM base
COPY setuid /setuid
