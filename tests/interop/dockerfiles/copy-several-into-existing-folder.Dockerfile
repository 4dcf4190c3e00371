FROM base
COPY a.txt b.txt /srv
COPY *.txt /root
FROM base
COPY --from=0 /srv/a.txt /srv/b.txt /tmp
COPY --from=0 /root/*.txt /srv
