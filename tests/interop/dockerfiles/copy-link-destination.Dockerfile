FROM base
COPY a.txt /srv/link/a
COPY sub /srv/link
