FROM base
COPY a.txt /file
COPY b.txt /file
