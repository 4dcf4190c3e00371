FROM base
COPY ["odd [name]$.txt", "/odd"]
