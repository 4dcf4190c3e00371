FROM base
RUN mkdir -m 777 /w
USER web
WORKDIR /w
RUN id -u > uid && id -g > gid && touch mine
USER 7:8
RUN touch theirs
