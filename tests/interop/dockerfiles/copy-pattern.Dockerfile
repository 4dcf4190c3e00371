FROM base
COPY *.txt /texts/
COPY sub/[cd]* /some/
