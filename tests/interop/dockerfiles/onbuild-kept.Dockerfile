# files: no
# format: docker
FROM base
ONBUILD COPY a.txt /a
ONBUILD RUN echo built > /b
