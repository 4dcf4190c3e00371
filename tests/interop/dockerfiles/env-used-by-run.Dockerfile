FROM base
ENV GREETING="hello   there" PATH=/opt/bin:$PATH
RUN echo "$GREETING|$PATH" > /out
