# format: docker
FROM base
HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD ["/bin/true", "x"]
