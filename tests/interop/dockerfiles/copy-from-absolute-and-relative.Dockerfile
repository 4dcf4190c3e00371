FROM base AS one
WORKDIR /work
RUN echo 1 > here && mkdir -p d/e && echo 2 > d/e/f && ln -s f d/e/link && chmod 750 d
FROM base
COPY --from=one /work/here /a
COPY --from=one work/d /b
COPY --from=one /work/d/e/link /c
