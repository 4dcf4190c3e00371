FROM base
WORKDIR /in/here
RUN pwd > where && echo x > ../up
