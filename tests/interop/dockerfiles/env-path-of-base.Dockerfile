FROM base
ENV PATH=$PATH:/more
RUN echo $PATH > /path
