FROM base
COPY links /links
