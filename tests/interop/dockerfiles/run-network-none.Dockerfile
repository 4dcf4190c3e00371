# buildkit: that of Debian 12 has no RUN --network
# buildah: that of Debian 12 has no RUN --network
FROM base
RUN --network=none echo x > /x
