FROM base
COPY /sub/c.txt /c
