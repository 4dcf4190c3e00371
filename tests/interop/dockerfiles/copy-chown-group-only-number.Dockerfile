FROM base
COPY --chown=web:7 a.txt /a
COPY --chown=9:staff a.txt /b
