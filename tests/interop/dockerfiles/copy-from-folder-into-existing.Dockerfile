FROM base AS one
RUN mkdir -p /d/sub && echo new > /d/sub/f && chmod 700 /d/sub
FROM base
RUN mkdir -p /e/sub && echo old > /e/sub/old
COPY --from=one /d /e
