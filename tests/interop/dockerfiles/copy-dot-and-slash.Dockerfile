FROM base
COPY ./sub/ /one/
COPY sub/. /two
COPY /a.txt /three/
