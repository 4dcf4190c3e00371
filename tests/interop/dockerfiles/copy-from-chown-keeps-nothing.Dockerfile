FROM base AS one
RUN echo 1 > /f && chown 7:8 /f && chmod 4711 /f
FROM base
COPY --from=one /f /plain
COPY --from=one --chown=web:webs /f /owned
