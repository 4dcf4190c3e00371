FROM base
USER web
COPY a.txt /a
WORKDIR /new
