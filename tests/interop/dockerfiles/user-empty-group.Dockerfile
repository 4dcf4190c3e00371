FROM base
RUN mkdir -m 777 /w
USER 33
RUN id -g > /w/gid
