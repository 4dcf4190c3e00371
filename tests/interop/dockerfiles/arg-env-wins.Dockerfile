# buildkit: the documentation says that ENV wins, and that of Debian 12 gives RUN the later of the two
# build: --build-arg NAME=argument
FROM base
ENV NAME=variable
ARG NAME=default
RUN echo $NAME > /name
LABEL name=$NAME
