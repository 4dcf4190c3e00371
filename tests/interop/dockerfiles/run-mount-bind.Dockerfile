FROM base
RUN --mount=type=bind,source=sub,target=/mnt cp -r /mnt /copied
