FROM base
RUN pwd > /where
