FROM base
COPY --chown=5:6 b.txt /new/folder/b
COPY --chown=5 sub /five
