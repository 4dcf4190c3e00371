FROM base
RUN echo zero > /zero
FROM base
COPY --from=0 /zero /zero
