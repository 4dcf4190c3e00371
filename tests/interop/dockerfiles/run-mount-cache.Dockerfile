FROM base
RUN --mount=type=cache,target=/cache echo x > /cache/x && cp /cache/x /y
