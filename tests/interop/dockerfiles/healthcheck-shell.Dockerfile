# format: docker
FROM base
HEALTHCHECK CMD true || exit 1
