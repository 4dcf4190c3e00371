FROM base
WORKDIR /one
COPY a.txt two/three
COPY b.txt ../b
