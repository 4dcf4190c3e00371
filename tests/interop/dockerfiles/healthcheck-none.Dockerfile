# format: docker
FROM base
HEALTHCHECK NONE
