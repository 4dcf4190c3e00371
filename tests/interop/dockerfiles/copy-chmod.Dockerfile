FROM base
COPY --chmod=600 b.txt /mode
COPY --chmod=0711 sub /modes
