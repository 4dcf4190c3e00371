# buildah: it replaces the link, where BuildKit follows it
FROM base
RUN echo old > /target && ln -s target /soft
COPY a.txt /soft
