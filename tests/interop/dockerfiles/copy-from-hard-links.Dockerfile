FROM base AS one
RUN mkdir /d && echo 1 > /d/a && ln /d/a /d/b
FROM base
COPY --from=one /d /d
