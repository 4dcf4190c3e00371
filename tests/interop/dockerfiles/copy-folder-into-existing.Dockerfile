FROM base
RUN mkdir -m 700 /kept && echo old > /kept/old
COPY sub /kept
