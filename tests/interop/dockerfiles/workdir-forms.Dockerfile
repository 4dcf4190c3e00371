FROM base
ENV DIR=/var/x
WORKDIR $DIR/y
WORKDIR relative/z
RUN pwd > /pwd
