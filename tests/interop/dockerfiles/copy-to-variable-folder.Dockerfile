FROM base
ENV D=/var/lib/x
WORKDIR $D
COPY a.txt $D/
COPY b.txt ./c/
