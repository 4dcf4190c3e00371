FROM base
COPY a.txt /deep/name
