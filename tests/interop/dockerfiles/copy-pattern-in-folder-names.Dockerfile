FROM base
COPY s*/*.txt /matched/
