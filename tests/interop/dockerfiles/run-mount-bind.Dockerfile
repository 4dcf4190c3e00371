# buildkit: it leaves the mount point in the layer
FROM base
RUN --mount=type=bind,source=sub,target=/mnt cp -r /mnt /copied
