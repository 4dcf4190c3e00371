FROM base
RUN mkdir /a && echo 1 > /a/f
RUN mv /a /b
