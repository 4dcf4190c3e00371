FROM base AS zero
RUN echo 0 > /n
FROM zero
RUN echo 1 > /n
FROM base
COPY --from=1 /n /n
