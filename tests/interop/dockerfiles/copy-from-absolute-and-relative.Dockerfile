FROM base AS one
WORKDIR /made
RUN echo 1 > here && mkdir -p d/e && echo 2 > d/e/f && ln -s f d/e/link && chmod 750 d
FROM base
COPY --from=one /made/here /a
COPY --from=one made/d /b
COPY --from=one /made/d/e/link /c
