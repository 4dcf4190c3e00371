FROM base
WORKDIR /srv
WORKDIR /etc
