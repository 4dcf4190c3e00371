FROM base AS one
RUN mkdir -p /real/d && echo 1 > /real/d/f && ln -s real /alias && ln -s /real/d /alias2
FROM base
COPY --from=one /alias/d/f /one
COPY --from=one /alias2 /two
