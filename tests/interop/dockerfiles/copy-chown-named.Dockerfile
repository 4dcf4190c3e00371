FROM base
COPY --chown=web:staff a.txt /named
COPY --chown=web a.txt /user
COPY --chown=33:staff sub /folder
