FROM base
RUN echo old > /target && ln -s target /soft
COPY a.txt /soft
