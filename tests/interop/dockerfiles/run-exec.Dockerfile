FROM base
RUN ["/bin/sh", "-c", "echo $0 > /out"]
RUN ["touch", "/a b"]
