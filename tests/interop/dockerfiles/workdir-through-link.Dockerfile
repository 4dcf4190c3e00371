FROM base
WORKDIR /srv/link/new
RUN echo x > x
