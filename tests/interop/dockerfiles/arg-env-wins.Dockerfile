# build: --build-arg NAME=argument
FROM base
ENV NAME=variable
ARG NAME=default
RUN echo $NAME > /name
LABEL name=$NAME
