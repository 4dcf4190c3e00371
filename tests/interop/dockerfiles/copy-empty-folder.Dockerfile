FROM base
COPY empty /made
COPY empty /srv
