# buildkit: it leaves the mount point in the layer
FROM base AS one
RUN mkdir /data && echo 1 > /data/file
FROM base
RUN --mount=type=bind,from=one,source=/data,target=/mnt cat /mnt/file > /got
