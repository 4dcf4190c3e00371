FROM base
COPY sub other /both
