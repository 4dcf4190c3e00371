# build: --build-arg OUT=given
ARG OUT=default
ARG OTHER=other
FROM base
ARG OUT
ARG OTHER
RUN echo $OUT $OTHER > /args
