# buildah: it cannot find a name with brackets, escaped or not
FROM base
COPY ["odd/odd [[]name]$.txt", "/odd"]
