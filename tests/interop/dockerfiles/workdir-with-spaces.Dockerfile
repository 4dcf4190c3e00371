FROM base
WORKDIR /a b/c
RUN pwd > here
