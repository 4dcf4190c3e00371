FROM base
RUN echo "one \
two" > /x && \
    echo 'three' >> /x
