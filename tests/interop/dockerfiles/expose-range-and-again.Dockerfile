# buildah: it loses a port that is there for another protocol
FROM base
EXPOSE 80 80/tcp 81
EXPOSE 81/udp
