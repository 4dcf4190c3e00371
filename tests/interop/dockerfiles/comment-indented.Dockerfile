FROM base
  # comment
   RUN echo x > /x
