FROM base AS one
RUN echo first > /f
FROM base AS two
RUN echo second > /f
FROM base
COPY --from=one /f /1
COPY --from=two /f /2
