FROM base
RUN mkdir /x && ln -s x /y
RUN rm /y && mkdir /y && echo 1 > /y/f
