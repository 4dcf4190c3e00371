# build: --build-arg NAME=given
FROM base
RUN echo "[$NAME]" > /before
ARG NAME
RUN echo "[$NAME]" > /after
