FROM base
COPY ?.txt /texts/
