# buildkit: that of Debian 12 does not know these
# buildah: that of Debian 12 does not know these
FROM base
ENV V=value.tar.gz E=
ENV C=${E-d} D=${U-d} F=${E+a} G=${V%.*} H=${V%%.*} I=${V#*.} J=${V##*.} K=${V/a/b} L=${V//a/b}
