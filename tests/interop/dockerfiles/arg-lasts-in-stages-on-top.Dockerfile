# buildah: it forgets the arguments of a stage that is built on
FROM base AS one
ARG NAME=first
RUN echo "$NAME" > /name
FROM one
RUN echo "[$NAME]" > /again
