FROM base
COPY su* /matched/
