# buildkit: that of Debian 12 takes an ARG for a platform to be empty
ARG TARGETPLATFORM
FROM --platform=$TARGETPLATFORM base
RUN echo x > /x
