FROM base
USER web:staff
RUN id -u > /tmp/u && id -g > /tmp/g
