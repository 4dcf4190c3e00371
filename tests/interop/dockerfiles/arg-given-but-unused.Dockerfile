# build: --build-arg NAME=given
FROM base
RUN echo "[$NAME]" > /name
