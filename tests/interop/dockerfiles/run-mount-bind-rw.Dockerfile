# buildah: that of Debian 12 writes to the folder that is mounted, and takes away /m, which was there
FROM base AS one
RUN mkdir /d && echo 1 > /d/f && chmod 640 /d/f && chown 33:34 /d/f
FROM base
RUN mkdir /m
RUN --mount=type=bind,from=one,source=/d,target=/m,rw stat -c '%a %u:%g' /m/f > /one && echo 2 >> /m/f && touch /m/new && cat /m/f >> /one
RUN --mount=type=bind,from=one,source=/d,target=/m ls /m > /two
RUN --mount=type=bind,source=sub,target=/m,rw stat -c '%a' /m/d/e.txt > /three && touch /m/new && rm /m/c.txt && ls /m >> /three
RUN --mount=type=bind,source=sub,target=/m ls /m > /four
