# build: --target middle
FROM base AS first
RUN echo 1 > /first
FROM first AS middle
RUN echo 2 > /middle
FROM middle AS last
RUN exit 1
