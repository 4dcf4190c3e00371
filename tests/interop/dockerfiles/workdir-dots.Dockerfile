# buildah: it keeps them in the configuration
# buildkit: it makes the folder that is left again
FROM base
WORKDIR /a/b/../c/
RUN pwd > /pwd
