FROM base AS one
ARG NAME=first
RUN echo "$NAME" > /name
FROM one
RUN echo "[$NAME]" > /again
