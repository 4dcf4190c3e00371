FROM base
WORKDIR /app
COPY [^s]* .
