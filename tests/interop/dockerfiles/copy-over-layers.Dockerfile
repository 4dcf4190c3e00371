FROM base
COPY sub /x
COPY other /x
COPY a.txt /x/c.txt
