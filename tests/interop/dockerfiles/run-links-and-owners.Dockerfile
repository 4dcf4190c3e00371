FROM base
RUN echo x > /f && ln /f /hard && ln -s f /soft && chown 7:8 /f && chmod 4755 /f && mkdir -m 1777 /sticky && mkfifo /fifo
