FROM base
COPY s* /matched/
