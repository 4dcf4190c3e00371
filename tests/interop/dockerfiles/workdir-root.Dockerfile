FROM base
WORKDIR /
RUN pwd > /pwd
