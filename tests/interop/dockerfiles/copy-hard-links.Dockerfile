FROM base
COPY sub /srv/sub
