# buildkit: that of Debian 12 has no heredocs
# buildah: that of Debian 12 has no heredocs
FROM base
COPY <<EOF /etc/text
hello
EOF
