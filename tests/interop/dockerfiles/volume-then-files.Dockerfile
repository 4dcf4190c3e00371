FROM base
RUN mkdir /data && echo 1 > /data/x
VOLUME /data
