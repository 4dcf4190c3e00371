FROM base
COPY ["with space.txt", "a.txt", "/x y/"]
