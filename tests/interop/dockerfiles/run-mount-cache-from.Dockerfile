# buildah: that of Debian 12 takes away /c, which was there
FROM base AS one
RUN mkdir -p /d/e && echo 1 > /d/e/f && chown 33:34 /d && chmod 2750 /d
FROM base
RUN mkdir /c
RUN --mount=type=cache,id=from,target=/c,from=one,source=/d cat /c/e/f > /got && stat -c '%a %u:%g' /c >> /got && echo 2 > /c/new
RUN --mount=type=cache,id=from,target=/c,from=one,source=/d ls /c > /listed
