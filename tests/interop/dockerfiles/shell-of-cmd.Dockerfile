# format: docker
# buildah: that of Debian 12 takes /bin/sh for CMD and ENTRYPOINT
FROM base
SHELL ["/bin/sh", "-ec"]
CMD echo x
ENTRYPOINT echo y
