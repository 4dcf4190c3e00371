# buildkit: it leaves the mount point in the layer
FROM base
RUN --mount=type=cache,target=/cache echo x > /cache/x && cp /cache/x /y
