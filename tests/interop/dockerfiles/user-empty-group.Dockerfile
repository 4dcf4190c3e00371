FROM base
USER 33
RUN id -g > /tmp/gid
