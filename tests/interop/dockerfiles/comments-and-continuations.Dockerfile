# a comment
FROM base
# another
RUN echo one \
  # within
  two \
# at the beginning

  three > /out
ENV A=1 \
    B=2
