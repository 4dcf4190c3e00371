# buildkit: it leaves the mount point in the layer
FROM base
RUN --mount=type=tmpfs,target=/scratch echo x > /scratch/x && test -f /scratch/x
