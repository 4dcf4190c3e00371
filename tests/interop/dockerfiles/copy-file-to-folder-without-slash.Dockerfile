FROM base
COPY a.txt /srv
