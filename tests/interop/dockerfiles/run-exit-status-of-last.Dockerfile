FROM base
RUN false; echo x > /x
