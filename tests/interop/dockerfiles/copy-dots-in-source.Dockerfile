FROM base
COPY sub/../a.txt /a
COPY ./././b.txt /b
