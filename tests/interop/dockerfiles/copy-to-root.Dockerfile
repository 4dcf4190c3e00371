FROM base
COPY sub/d /
