FROM base
COPY sub other /all/
