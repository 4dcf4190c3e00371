FROM base
RUN mkdir -m 777 /w
USER web:staff
RUN id -u > /w/u && id -g > /w/g
