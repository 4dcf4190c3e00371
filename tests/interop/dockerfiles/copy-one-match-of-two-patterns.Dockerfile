# buildah: it makes a folder of that name
FROM base
COPY none* a.txt /named
COPY none* long.tx? /other
