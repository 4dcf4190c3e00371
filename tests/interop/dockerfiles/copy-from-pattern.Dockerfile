FROM base AS one
RUN mkdir /d && echo 1 > /d/a.x && echo 2 > /d/b.x && echo 3 > /d/c.y
FROM base
COPY --from=one /d/*.x /got/
