FROM base
RUN true
RUN echo x > /x && rm /x
