# build: --build-arg GIVEN=given --build-arg EMPTY=
FROM base
ARG GIVEN=default
ARG EMPTY=default
ARG UNSET
ARG DEFAULT=of-${GIVEN}
LABEL given="$GIVEN" empty="$EMPTY" default="$DEFAULT" unset="${UNSET:-none}"
RUN echo "$GIVEN|$EMPTY|$DEFAULT|${UNSET-none}" > /args
